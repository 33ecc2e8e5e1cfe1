import { blockLength } from "../../protocol/swarm/blocks.ts";
import { EventQueue } from "./event_queue.ts";
import { Kind } from "./kinds.ts";
import { Network, type Wiring } from "./network.ts";
import { Participant } from "./participant.ts";
import { seededRandom } from "./random.ts";
import { LATENCY_MS, type Setup } from "./setup.ts";

/** Transfers under way for a node and layer at most: as many as it may ask for, twice. */
const TRANSFERS = 200;

/** What all parts of a simulation share: time, chance, lines and nodes. */
export class World {
  readonly setup: Setup;
  readonly queue = new EventQueue();
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly wiring: Wiring;
  readonly network: Network;
  /** All layers of the first node, then of the second… */
  readonly participants: Participant[] = [];
  /** Which nodes are slow. */
  readonly straggles: Uint8Array;
  readonly #calls: (() => void)[] = [];
  readonly #freeCalls: number[] = [];

  constructor(setup: Setup) {
    this.setup = setup;
    this.random = seededRandom(setup.seed);
    const { nodes, layers, racks, stragglers } = setup;
    this.straggles = new Uint8Array(nodes).map(() =>
      stragglers && this.random() < stragglers.part ? 1 : 0,
    );
    const rate = (_: number, node: number) =>
      (setup.link / 1000) * (this.straggles[node] === 1 ? stragglers!.speed : 1);
    this.wiring = {
      up: new Float64Array(nodes).map(rate),
      down: new Float64Array(nodes).map(rate),
      rack: new Int32Array(nodes).map((_, node) => Math.floor((node * racks) / nodes)),
      latencyMs: LATENCY_MS,
      thinLine: setup.thinLine && setup.thinLine / 1000,
    };
    this.network = new Network(this.queue, this.wiring, nodes * layers.length * TRANSFERS);
    for (let node = 0; node < nodes; node++) {
      layers.forEach((length, task) => {
        const index = node * layers.length + task;
        this.participants.push(new Participant(index, node, task, length, this.random));
      });
    }
  }

  get nowMs(): number {
    return this.queue.nowMs;
  }

  /** Calls a function at a time: for what is rare. */
  at(timeMs: number, run: () => void): void {
    const place = this.#freeCalls.pop() ?? this.#calls.length;
    this.#calls[place] = run;
    this.queue.push(Math.max(timeMs, this.queue.nowMs), Kind.call, place);
  }

  /** Calls what {@link World.at} has put down. */
  call(place: number): void {
    const run = this.#calls[place]!;
    this.#freeCalls.push(place);
    run();
  }

  isAlive(node: number): boolean {
    return this.network.isAlive(node);
  }

  /** A node's participants, a layer each. */
  of(node: number): Participant[] {
    const tasks = this.setup.layers.length;
    return this.participants.slice(node * tasks, (node + 1) * tasks);
  }

  participant(node: number, task: number): Participant {
    return this.participants[node * this.setup.layers.length + task]!;
  }

  /** 1 for two nodes in different racks. */
  far(a: number, b: number): 0 | 1 {
    return this.wiring.rack[a] === this.wiring.rack[b] ? 0 : 1;
  }

  /** Bytes of a block of a layer. */
  bytes(task: number, block: number): number {
    return blockLength(block, this.setup.layers[task]!);
  }
}
