import type { ServerResponse } from "node:http";
import { pieceCount } from "../../protocol/piece_range.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import {
  encodeHave,
  HAVE_INTERVAL_MS,
  HAVE_KEEPALIVE_MS,
  type Load,
} from "../../protocol/swarm/have_stream.ts";
import type { Seal } from "../../protocol/swarm/seal.ts";
import type { TaskFile } from "../store/task_file.ts";
import type { Uplink } from "./uplink.ts";

/** Bytes that may wait for a neighbour: one that does not read must not grow our memory. */
const MOST_WAITING = 1024 * 1024;

/**
 * Tells all neighbours what this node holds of a file: first all, then what comes, gathered over
 * {@link HAVE_INTERVAL_MS}, and a sign of life now and then. Each frame is made once, and written to the
 * connections as it is: with some twenty neighbours at each file this is said a thousand times a second.
 *
 * The file must lie in blocks, as our own swarm fetches it.
 */
export class HaveBroadcast {
  readonly #file: TaskFile;
  readonly #uplink: Uplink;
  readonly #seals: () => readonly Seal[];
  /** The list of which all have been told the first so many. */
  #told: { list: readonly Seal[]; count: number } = { list: [], count: 0 };
  readonly #neighbours = new Set<ServerResponse>();
  #fresh: number[] = [];
  #sentMs = 0;
  #stop: (() => void) | undefined;

  /** @param seals what blocks hash to, a list that only grows */
  constructor(file: TaskFile, uplink: Uplink, seals: () => readonly Seal[]) {
    this.#file = file;
    this.#seals = seals;
    this.#uplink = uplink;
  }

  /** Answers a neighbour, until either side goes. */
  tell(outgoing: ServerResponse): void {
    outgoing.writeHead(200, { "content-type": "application/octet-stream" });
    const bitmap = new Bitmap(pieceCount(this.#file.layout));
    for (const block of this.#file.held) bitmap.add(block);
    outgoing.write(encodeHave({ bitmap, have: [], load: this.#load() }));
    if (!this.#stop) this.#told = { list: this.#seals(), count: this.#seals().length };
    // What is later than that comes to it with the next frame for all.
    const { list, count } = this.#told;
    for (const seal of list.slice(0, count)) outgoing.write(this.#sealed(seal));
    this.#neighbours.add(outgoing);
    outgoing.once("close", () => {
      this.#neighbours.delete(outgoing);
      if (this.#neighbours.size === 0) this.#end();
    });
    if (!this.#stop) this.#begin();
  }

  #load(): Load {
    return this.#uplink.load(this.#file.layout.pieceSize);
  }

  #sealed(seal: Seal): Uint8Array {
    return encodeHave({ have: [], load: this.#load(), seal });
  }

  #begin(): void {
    this.#sentMs = performance.now();
    const unsubscribe = this.#file.onPiece((block) => this.#fresh.push(block));
    const timer = setInterval(() => this.#tick(), HAVE_INTERVAL_MS);
    this.#stop = () => {
      clearInterval(timer);
      unsubscribe();
    };
  }

  #end(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#fresh = [];
  }

  #tick(): void {
    if (this.#file.closed) {
      this.#end();
      for (const outgoing of this.#neighbours) outgoing.end();
      return;
    }
    const nowMs = performance.now();
    const list = this.#seals();
    const seals = list.slice(list === this.#told.list ? this.#told.count : 0);
    this.#told = { list, count: list.length };
    if (seals.length === 0 && this.#fresh.length === 0 && nowMs - this.#sentMs < HAVE_KEEPALIVE_MS)
      return;
    // A block is checked as soon as it comes where its seal has come before.
    const frame = Buffer.concat([
      ...seals.map((seal) => this.#sealed(seal)),
      encodeHave({ have: this.#fresh, load: this.#load() }),
    ]);
    this.#fresh = [];
    this.#sentMs = nowMs;
    for (const outgoing of this.#neighbours) {
      // It asks again when it is back.
      if (outgoing.writableLength > MOST_WAITING) outgoing.destroy();
      else outgoing.write(frame);
    }
  }
}
