import { getLogger } from "../../runtime/logger.ts";
import { fetchPiece, PieceError } from "../download/fetch_piece.ts";
import type { SwarmOptions } from "../download/swarm_types.ts";
import { contentBuffers } from "../store/content_buffers.ts";
import { sha256 } from "../store/sha256.ts";
import type { TaskFile } from "../store/task_file.ts";
import type { BlockProofs } from "./block_proofs.ts";
import type { BlockChooser } from "./choose_blocks.ts";
import type { NeighbourLink } from "./neighbour_link.ts";
import type { Neighbours } from "./neighbours.ts";

export interface BlockRequestsOptions {
  swarm: Pick<SwarmOptions, "http" | "limiters" | "minRate">;
  file: Pick<TaskFile, "layout">;
  chooser: BlockChooser;
  neighbours: Neighbours;
  proofs: BlockProofs;
  /** Nothing is asked any more when it is aborted. */
  signal: AbortSignal;
  /** Keeps a block that was not here; it does not contradict its seal, where there is one. */
  onBlock(block: number, content: Uint8Array, digest: Uint8Array, from: string): Promise<void>;
  /** What a node sent is wrong. */
  onWrong(id: string, block: number): void;
  /** A node's standing has changed. */
  onStanding(id: string): void;
}

interface Request {
  readonly abort: AbortController;
  /** ms. */
  readonly sinceMs: number;
}

const log = getLogger("dfclient");

/** Asks neighbours for the blocks that the {@link BlockChooser} chooses, and judges what they answer. */
export class BlockRequests {
  readonly #options: BlockRequestsOptions;
  /** By block, and by the slot of the neighbour that was asked for it. */
  readonly #requests = new Map<number, Map<number, Request>>();
  #pumpsSoon = false;

  constructor(options: BlockRequestsOptions) {
    this.#options = options;
  }

  /** Asks for all that may be asked for now. */
  pump(): void {
    const { chooser, signal } = this.#options;
    if (signal.aborted) return;
    const nowMs = performance.now();
    while (chooser.next(nowMs)) this.#request(chooser.slot, chooser.block);
    while (chooser.again(nowMs)) this.#request(chooser.slot, chooser.block);
  }

  /** … when all that have spoken at the same time have been heard. */
  pumpSoon(): void {
    if (this.#pumpsSoon) return;
    this.#pumpsSoon = true;
    setImmediate(() => {
      this.#pumpsSoon = false;
      this.pump();
    });
  }

  /** What a neighbour was asked for does not come any more. */
  cutOff(slot: number): void {
    for (const asked of this.#requests.values()) asked.get(slot)?.abort.abort();
  }

  /** A block is here by other ways: whoever was asked for it need not send it any more. */
  needNot(block: number): void {
    for (const slot of this.#requests.get(block)?.keys() ?? []) this.#outrun(slot, block);
  }

  /** The slots of those who were asked for blocks longer ago than so many ms. */
  owing(forMs: number, nowMs: number): Set<number> {
    const owing = new Set<number>();
    for (const asked of this.#requests.values())
      for (const [slot, { sinceMs }] of asked) if (nowMs - sinceMs > forMs) owing.add(slot);
    return owing;
  }

  #outrun(slot: number, block: number): void {
    const request = this.#requests.get(block)?.get(slot);
    request?.abort.abort();
    if (request) this.#options.neighbours.outrun(slot, performance.now() - request.sinceMs);
  }

  #request(slot: number, block: number): void {
    const { chooser, neighbours } = this.#options;
    const link = neighbours.at(slot);
    if (!link) {
      chooser.failed(slot, block);
      return;
    }
    const abort = new AbortController();
    const request = { abort, sinceMs: performance.now() };
    const asked = this.#requests.get(block) ?? new Map<number, Request>();
    this.#requests.set(block, asked.set(slot, request));
    link.debt.asked(request.sinceMs);
    this.#fetch(link, slot, block, abort.signal)
      .catch((error: Error) => this.#failed(link, slot, block, error, abort.signal.aborted))
      .finally(() => {
        link.debt.over();
        if (asked.get(slot) === request) asked.delete(slot);
        if (asked.size === 0 && this.#requests.get(block) === asked) this.#requests.delete(block);
        this.pump();
      });
  }

  #failed(
    link: NeighbourLink,
    slot: number,
    block: number,
    error: Error,
    wasCutOff: boolean,
  ): void {
    const { chooser, neighbours, onWrong, onStanding } = this.#options;
    const failure = error instanceof PieceError ? error.failure : undefined;
    const { id, ip, port } = link.neighbour;
    const standing = neighbours.standing(id);
    if (failure === "wrong") {
      log.info("neighbour {ip}:{port}: {reason}", { ip, port, reason: error.message });
      standing.wrong += 1;
      onWrong(id, block);
    }
    if (failure === "broken") standing.broken += 1;
    // First: that it is of no use the supernode is to know, that it failed some times in a row it is not.
    onStanding(id);
    if (neighbours.at(slot) === link) {
      chooser.failed(slot, block);
      if (failure === "missing") chooser.neighbourLacks(slot, block);
      if (!wasCutOff && failure !== "wrong") neighbours.failed(slot, error.message);
    }
  }

  async #fetch(
    link: NeighbourLink,
    slot: number,
    block: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { swarm, file, chooser, neighbours, proofs, onBlock, onStanding } = this.#options;
    const { http, limiters, minRate } = swarm;
    const { ip, port, path, id } = link.neighbour;
    const { layout } = file;
    const task = {
      pieceNum: block,
      pieceSize: layout.pieceSize,
      range: "",
      pieceMd5: "",
      cid: id,
      peerIp: ip,
      peerPort: port,
      path,
      downLink: 0,
    };
    const { span, debt } = link;
    const content = await fetchPiece(task, {
      ...{ http, limiters, minRate, layout, signal, span },
      onBytes: (bytes) => debt.came(bytes, performance.now()),
    });
    const digest = await sha256(content);
    if (proofs.contradicts(block, digest)) {
      contentBuffers.give(content);
      throw new PieceError("wrong", `block ${block} is not what its seal says`);
    }
    link.failures = 0;
    link.late = 0;
    link.blocks += 1;
    link.bytes += content.byteLength;
    if (proofs.digests.knows(block)) neighbours.standing(id).right += 1;
    else if (chooser.holds(block)) proofs.receivedAgain(block, digest, id);
    const isNews = !chooser.holds(block);
    const isNeighbour = neighbours.at(slot) === link;
    const other = isNeighbour ? chooser.arrived(slot, block, performance.now()) : -1;
    // Whoever was asked for it, too, need not send it any more.
    if (other >= 0) this.#outrun(other, block);
    if (isNews) {
      await onBlock(block, content, digest, id);
      return;
    }
    contentBuffers.give(content);
    onStanding(id);
  }
}
