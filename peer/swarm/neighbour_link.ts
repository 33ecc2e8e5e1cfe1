import { setTimeout as sleep } from "node:timers/promises";
import { HaveDecoder, type HaveMessage } from "../../protocol/swarm/have_stream.ts";
import type { Neighbour } from "../../protocol/swarm/messages.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { type Span, startSpan, traceHeaders } from "../../runtime/tracing/tracing.ts";
import { Debt } from "./debt.ts";

/** Milliseconds for a connection to a neighbour. */
const CONNECT_MS = 1500;
/** Milliseconds of silence after which a neighbour counts as dead; it should speak every 400 ms. */
export const SILENCE_MS = 2000;
/** … where nobody looks after it: whoever listens knows how the others are. */
const IDLE_MS = 12_000;
/** The supernode may name a neighbour before that one has made its file: it is asked so often, */
const TRIES = 8;
/** … with so long in between, ms. */
const RETRY_MS = 200;

export interface LinkOptions {
  http: HttpClient;
  neighbour: Neighbour;
  /** Who asks: the neighbour may ask back. */
  self: Omit<Neighbour, "near">;
  /** Blocks of the file. */
  blocks: number;
  /** The download, in a trace. */
  parent: Span;
  onMessage(message: HaveMessage): void;
  /** The neighbour is gone, or makes no sense. Told once, and not after {@link NeighbourLink.close}. */
  onEnd(reason: string): void;
}

/** The prefix of the path at which a node tells what it holds: `/peer/swarm/<taskFileName>`. */
export const HAVE_PREFIX = "/peer/swarm/";

/** Listens to what one neighbour holds. */
export class NeighbourLink {
  /** When the neighbour's path was told, ms. */
  pathSinceMs = performance.now();
  /** What it has been asked for, and how it keeps its word. */
  readonly debt = new Debt();
  /** Requests to it that failed since one last went well. */
  failures = 0;
  /** Blocks that came from others while it was at them, since one last came from it. */
  late = 0;
  /** Blocks that came from it, wanted or not, and their bytes. */
  blocks = 0;
  bytes = 0;
  /** The conversation with it: blocks are too many for spans of their own. */
  readonly span: Span;
  #neighbour: Neighbour;
  readonly #abort = new AbortController();

  constructor(options: LinkOptions) {
    const { neighbour, parent } = options;
    this.#neighbour = neighbour;
    this.span = startSpan("blocks from neighbour", {
      kind: "client",
      parent,
      attributes: {
        "server.address": `${neighbour.ip}:${neighbour.port}`,
        "dragonfly.neighbour.near": neighbour.near,
      },
    });
    this.#listen(options).then(
      () => this.#end(options, "it has ended"),
      (error: Error) => this.#end(options, error.message),
    );
  }

  get neighbour(): Neighbour {
    return this.#neighbour;
  }

  /** The neighbour's path has been told again: what it is asked from now on goes there. */
  renew(path: string, nowMs: number): void {
    this.#neighbour = { ...this.#neighbour, path };
    this.pathSinceMs = nowMs;
  }

  close(): void {
    this.#abort.abort();
    this.#endSpan();
  }

  #end(options: LinkOptions, reason: string): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#endSpan(reason);
    options.onEnd(reason);
  }

  #endSpan(reason?: string): void {
    const { blocks, bytes } = this;
    this.span.set({ "dragonfly.blocks": blocks, "dragonfly.bytes.peer": bytes });
    if (reason) this.span.set({ "dragonfly.ended": reason });
    this.span.end();
  }

  async #listen({ http, neighbour, self, blocks, onMessage }: LinkOptions): Promise<void> {
    const name = neighbour.path.replace(/^\/peer\/file\//, "");
    const query = new URLSearchParams({
      ...self,
      port: String(self.port),
      near: String(neighbour.near),
    });
    const decoder = new HaveDecoder(blocks);
    for (let tries = 1; ; tries++) {
      let status = 0;
      await http.plain.get(
        { host: neighbour.ip, port: neighbour.port },
        {
          path: `${HAVE_PREFIX}${name}?${query}`,
          headers: traceHeaders(this.span),
          signal: this.#abort.signal,
          connectTimeoutMs: CONNECT_MS,
          idleTimeoutMs: IDLE_MS,
          onHead: (head) => {
            status = head.status;
          },
          onBody: (chunk) => {
            if (status !== 200) return;
            for (const message of decoder.push(chunk)) onMessage(message);
          },
        },
      );
      if (status === 200) return;
      if (status !== 404 || tries === TRIES) throw new Error(`it answers ${status}`);
      await sleep(RETRY_MS, undefined, { signal: this.#abort.signal });
    }
  }
}
