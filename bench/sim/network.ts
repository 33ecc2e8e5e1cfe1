import type { EventQueue } from "./event_queue.ts";
import { Kind } from "./kinds.ts";

/** How the nodes of a simulation are connected. Rates are bytes a ms. */
export interface Wiring {
  up: Float64Array;
  down: Float64Array;
  /** The rack each node is in. */
  rack: Int32Array;
  /** One way, ms. */
  latencyMs: { inRack: number; across: number };
  /** What each direction between two racks carries, bytes a ms; absent: as much as there is. */
  thinLine?: number | undefined;
}

const NONE = -1;

/** How far a request has come. */
const State = { asked: 0, waiting: 1, sent: 2, cancelled: 3 } as const;

/**
 * Carries blocks between nodes. A node's uplink serves the requests that it gets one after the other, urgent ones first,
 * each at full capacity; so does its downlink with what arrives, and a thin line between two racks.
 * All of them work on a block at the same time (cut-through), and it is there when the slowest of them
 * is done with it.
 */
export class Network {
  /** Bytes that have gone from one rack to another. */
  crossBytes = 0;
  /** Bytes that nodes have sent each other. */
  peerBytes = 0;
  readonly #queue: EventQueue;
  readonly #wiring: Wiring;

  // Transfers, by id.
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** For whom a transfer is; read by the simulation. */
  readonly tag: Int32Array;
  readonly block: Int32Array;
  readonly #bytes: Int32Array;
  readonly #next: Int32Array;
  readonly #state: Uint8Array;
  readonly #sentMs: Float64Array;
  readonly #free: Int32Array;
  #freeCount: number;

  // Nodes.
  /** First and last of the requests that wait for a node's uplink: the urgent ones, and the others. */
  readonly #head: readonly [Int32Array, Int32Array];
  readonly #tail: readonly [Int32Array, Int32Array];
  readonly #waitingBytes: Float64Array;
  readonly #busy: Uint8Array;
  readonly #upFreeMs: Float64Array;
  readonly #downFreeMs: Float64Array;
  readonly #deadSinceMs: Float64Array;
  /** Whether a node has sent a block, and so knows its rate. */
  readonly #measured: Uint8Array;
  readonly #thinFreeMs = new Map<number, number>();

  constructor(queue: EventQueue, wiring: Wiring, transfers: number) {
    this.#queue = queue;
    this.#wiring = wiring;
    const nodes = wiring.up.length;
    const ids = () => new Int32Array(transfers);
    this.from = ids();
    this.to = ids();
    this.tag = ids();
    this.block = ids();
    this.#bytes = ids();
    this.#next = ids();
    this.#state = new Uint8Array(transfers);
    this.#sentMs = new Float64Array(transfers);
    this.#free = ids().map((_, index) => transfers - 1 - index);
    this.#freeCount = transfers;
    const none = () => new Int32Array(nodes).fill(NONE);
    this.#head = [none(), none()];
    this.#tail = [none(), none()];
    this.#waitingBytes = new Float64Array(nodes);
    this.#busy = new Uint8Array(nodes);
    this.#upFreeMs = new Float64Array(nodes);
    this.#downFreeMs = new Float64Array(nodes);
    this.#deadSinceMs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.#measured = new Uint8Array(nodes);
  }

  latencyMs(a: number, b: number): number {
    const { rack, latencyMs } = this.#wiring;
    return rack[a] === rack[b] ? latencyMs.inRack : latencyMs.across;
  }

  isAlive(node: number): boolean {
    return this.#deadSinceMs[node] === Number.POSITIVE_INFINITY;
  }

  /** A node's power goes. */
  kill(node: number): void {
    this.#deadSinceMs[node] = this.#queue.nowMs;
  }

  /** A node asks another for a block. Gives the transfer's id. */
  request(to: number, from: number, block: number, bytes: number, tag: number): number {
    if (this.#freeCount === 0) throw new Error("too many transfers at once");
    const id = this.#free[--this.#freeCount]!;
    this.from[id] = from;
    this.to[id] = to;
    this.block[id] = block;
    this.tag[id] = tag;
    this.#bytes[id] = bytes;
    this.#state[id] = State.asked;
    this.#queue.push(this.#queue.nowMs + this.latencyMs(to, from), Kind.requestArrives, id);
    return id;
  }

  /** A request is not needed any more; has no effect once the block is being sent. */
  cancel(id: number, tag: number, block: number): void {
    // The number may be another transfer's by now.
    if (this.tag[id] !== tag || this.block[id] !== block) return;
    if (this.#state[id] === State.waiting) {
      this.#waitingBytes[this.from[id]!]! -= this.#bytes[id]!;
    }
    if (this.#state[id] !== State.sent) this.#state[id] = State.cancelled;
  }

  /** What a new request to a node would wait for, as the node itself measures it, ms. */
  queueMs(node: number): number {
    const rest = Math.max(0, this.#upFreeMs[node]! - this.#queue.nowMs);
    return rest + this.#waitingBytes[node]! / this.#wiring.up[node]!;
  }

  /** What a block takes on a node's uplink, as the node itself measures it, ms; 0: not yet known. */
  blockMs(node: number, bytes: number): number {
    return this.#measured[node] === 1 ? bytes / this.#wiring.up[node]! : 0;
  }

  /** Bytes from elsewhere (the registry) come in, the last of them now at best. Gives when, ms. */
  receive(node: number, bytes: number): number {
    const { nowMs } = this.#queue;
    const tookMs = bytes / this.#wiring.down[node]!;
    const startMs = Math.max(this.#downFreeMs[node]!, nowMs - tookMs);
    return (this.#downFreeMs[node] = startMs + tookMs);
  }

  /** A request has come to a node; `false` where it is dead. Urgent ones are served first. */
  requestArrives(id: number, urgent: boolean): boolean {
    const node = this.from[id]!;
    if (this.#state[id] === State.cancelled || !this.isAlive(node)) {
      this.release(id);
      return false;
    }
    if (this.#busy[node] === 0) {
      this.#send(node, id);
      return true;
    }
    const kind = urgent ? 0 : 1;
    this.#state[id] = State.waiting;
    this.#next[id] = NONE;
    const tail = this.#tail[kind][node]!;
    if (tail === NONE) this.#head[kind][node] = id;
    else this.#next[tail] = id;
    this.#tail[kind][node] = id;
    this.#waitingBytes[node]! += this.#bytes[id]!;
    return true;
  }

  /** A node's uplink is done with a block. */
  uplinkFree(node: number): void {
    this.#busy[node] = 0;
    this.#measured[node] = 1;
    if (!this.isAlive(node)) return;
    for (const kind of [0, 1] as const) {
      for (;;) {
        const id = this.#head[kind][node]!;
        if (id === NONE) break;
        this.#head[kind][node] = this.#next[id]!;
        if (this.#head[kind][node] === NONE) this.#tail[kind][node] = NONE;
        if (this.#state[id] === State.cancelled) {
          this.release(id);
          continue;
        }
        this.#waitingBytes[node]! -= this.#bytes[id]!;
        this.#send(node, id);
        return;
      }
    }
  }

  /** A block comes to the receiver's downlink. */
  reachesDownlink(id: number): void {
    const to = this.to[id]!;
    const { nowMs } = this.#queue;
    const startMs = Math.max(nowMs, this.#downFreeMs[to]!);
    const doneMs = startMs + this.#bytes[id]! / this.#wiring.down[to]!;
    this.#downFreeMs[to] = doneMs;
    const lastMs = Math.max(doneMs, this.#sentMs[id]!);
    this.#queue.push(lastMs + this.latencyMs(this.from[id]!, to), Kind.delivered, id);
  }

  /** Whether a delivered block was sent to its end, and by whom it was still needed. */
  arrivedWhole(id: number): boolean {
    const sent = this.#sentMs[id]! <= this.#deadSinceMs[this.from[id]!]!;
    return sent && this.isAlive(this.to[id]!);
  }

  /** The simulation is done with a transfer. */
  release(id: number): void {
    this.#free[this.#freeCount++] = id;
  }

  #send(node: number, id: number): void {
    const { nowMs } = this.#queue;
    const { up, rack, thinLine } = this.#wiring;
    const bytes = this.#bytes[id]!;
    const to = this.to[id]!;
    const freeMs = nowMs + bytes / up[node]!;
    this.#state[id] = State.sent;
    this.#busy[node] = 1;
    this.#upFreeMs[node] = freeMs;
    this.#sentMs[id] = freeMs;
    this.peerBytes += bytes;
    this.#queue.push(freeMs, Kind.uplinkFree, node);
    if (rack[node] === rack[to]) {
      this.reachesDownlink(id);
      return;
    }
    this.crossBytes += bytes;
    if (thinLine === undefined) {
      this.reachesDownlink(id);
      return;
    }
    const line = rack[node]! * 65_536 + rack[to]!;
    const startMs = Math.max(nowMs, this.#thinFreeMs.get(line) ?? 0);
    const doneMs = startMs + bytes / thinLine;
    this.#thinFreeMs.set(line, doneMs);
    this.#sentMs[id] = Math.max(freeMs, doneMs);
    this.#queue.push(startMs, Kind.reachesDownlink, id);
  }
}
