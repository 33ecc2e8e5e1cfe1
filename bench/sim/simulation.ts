import { Exchange } from "./exchange.ts";
import { Kind } from "./kinds.ts";
import type { Outcome } from "./outcome.ts";
import type { Participant } from "./participant.ts";
import type { Setup } from "./setup.ts";
import { Source } from "./source.ts";
import { Talk } from "./talk.ts";
import { Tracker } from "./tracker.ts";
import { World } from "./world.ts";

/**
 * A swarm that fetches an image, in simulated time. What it decides is decided by the very modules of
 * the supernode (`supernode/schedule/`) and of the peer (`peer/swarm/`); only lines and the supernode's
 * processor are modelled. The same setup gives the same outcome.
 */
export class Simulation {
  readonly #setup: Setup;
  readonly #world: World;
  readonly #exchange: Exchange;
  readonly #talk: Talk;
  readonly #source: Source;
  readonly #tracker: Tracker;
  readonly #startMs: Float64Array;
  readonly #doneMs: Float64Array;
  /** Nodes that are alive and not done. */
  #toDo: number;
  #wave = { number: 0, left: 0 };

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#world = new World(setup);
    const gained = (participant: Participant, block: number) => this.#gained(participant, block);
    this.#exchange = new Exchange(this.#world, {
      gained,
      busier: (participant) => this.#talk.plan(participant),
    });
    this.#talk = new Talk(this.#world, this.#exchange);
    this.#source = new Source(this.#world, {
      gained,
      leaseDone: ({ node }) => this.#tracker.report(node),
    });
    this.#tracker = new Tracker(this.#world, this.#talk, this.#source);
    this.#startMs = new Float64Array(setup.nodes).fill(Number.POSITIVE_INFINITY);
    this.#doneMs = new Float64Array(setup.nodes).fill(Number.POSITIVE_INFINITY);
    this.#toDo = setup.nodes;
    this.#planArrivals();
    this.#planDeaths();
  }

  /** Runs until every living node has everything, or `limitMs` of simulated time are over. */
  run(limitMs: number): Outcome {
    const { queue, network, participants } = this.#world;
    while (this.#toDo > 0 && queue.take() && queue.nowMs < limitMs) {
      const { a, b } = queue;
      switch (queue.kind) {
        case Kind.requestArrives:
          this.#exchange.requestArrives(a);
          break;
        case Kind.uplinkFree:
          network.uplinkFree(a);
          break;
        case Kind.reachesDownlink:
          network.reachesDownlink(a);
          break;
        case Kind.delivered:
          this.#exchange.delivered(a);
          break;
        case Kind.tell:
          this.#talk.tell(participants[a]!);
          break;
        case Kind.told:
          this.#talk.told(participants[a >> 1]!, a & 1, b);
          break;
        case Kind.lookAfter:
          this.#talk.lookAfter(participants[a]!);
          break;
        default:
          this.#world.call(a);
      }
    }
    return this.#outcome();
  }

  #planArrivals(): void {
    const { nodes, arrival } = this.#setup;
    if (arrival && "waves" in arrival) {
      this.#startWave(0, arrival.waves);
      return;
    }
    // At once, but in no order.
    const spreadMs = arrival?.spreadMs ?? 1;
    for (let node = 0; node < nodes; node++) this.#planStart(node, spreadMs);
  }

  #planStart(node: number, spreadMs: number): void {
    const { nowMs, random } = this.#world;
    this.#world.at(nowMs + spreadMs * random(), () => {
      if (!this.#world.isAlive(node)) return;
      this.#startMs[node] = this.#world.nowMs;
      for (const participant of this.#world.of(node)) participant.moreMs = this.#world.nowMs;
      this.#tracker.register(this.#world.of(node)[0]!);
    });
  }

  /** Every wave takes nodes from all racks. */
  #startWave(number: number, waves: number): void {
    this.#wave = { number, left: 0 };
    for (let node = number; node < this.#setup.nodes; node += waves) {
      this.#wave.left += 1;
      this.#planStart(node, 1);
    }
  }

  #planDeaths(): void {
    const { deaths, nodes } = this.#setup;
    if (!deaths) return;
    const { random } = this.#world;
    for (let node = 0; node < nodes; node++) {
      if (random() >= deaths.part) continue;
      const timeMs = deaths.fromMs + random() * (deaths.toMs - deaths.fromMs);
      this.#world.at(timeMs, () => this.#die(node));
    }
  }

  #die(node: number): void {
    this.#world.network.kill(node);
    for (const participant of this.#world.of(node)) this.#source.stop(participant);
    if (this.#doneMs[node] === Number.POSITIVE_INFINITY) this.#toDo -= 1;
  }

  #gained(participant: Participant, block: number): void {
    participant.gains(block, this.#world.nowMs);
    this.#talk.plan(participant);
    if (participant.chooser.missing > 0) this.#exchange.pump(participant);
    else if (this.#world.of(participant.node).every(({ chooser }) => chooser.missing === 0))
      this.#complete(participant.node);
  }

  #complete(node: number): void {
    this.#doneMs[node] = this.#world.nowMs;
    this.#toDo -= 1;
    const { arrival } = this.#setup;
    if (!arrival || !("waves" in arrival)) return;
    this.#wave.left -= 1;
    const next = this.#wave.number + 1;
    if (this.#wave.left === 0 && next < arrival.waves) this.#startWave(next, arrival.waves);
  }

  #outcome(): Outcome {
    const { nodes, layers } = this.#setup;
    const healthy: number[] = [];
    const half: number[] = [];
    const silent: number[] = [];
    let incomplete = 0;
    let lastMs = 0;
    for (let node = 0; node < nodes; node++) {
      if (!this.#world.isAlive(node)) continue;
      const doneMs = this.#doneMs[node]!;
      if (!Number.isFinite(doneMs)) {
        incomplete += 1;
        continue;
      }
      lastMs = Math.max(lastMs, doneMs);
      if (this.#world.straggles[node] === 1) continue;
      healthy.push(doneMs - this.#startMs[node]!);
      for (const { halfMs, silentMs } of this.#world.of(node)) {
        half.push(halfMs - this.#startMs[node]!);
        silent.push(silentMs);
      }
    }
    if (incomplete > 0) lastMs = this.#world.nowMs;
    const image = layers.reduce((sum, length) => sum + length, 0);
    const { crossBytes, peerBytes } = this.#world.network;
    const { model } = this.#tracker;
    return {
      healthyMs: healthy.sort((a, b) => a - b),
      halfMs: half.sort((a, b) => a - b),
      silentMs: silent.sort((a, b) => a - b),
      incomplete,
      egress: this.#source.bytes / image,
      cross: crossBytes / image,
      waste: this.#exchange.wastedBytes / Math.max(1, peerBytes),
      supernode: {
        requests: model.requests,
        perSecond: ((model.requests.register + model.requests.heartbeat) / lastMs) * 1000,
        peakPerSecond: model.perSecond.reduce((most, count = 0) => Math.max(most, count), 0),
        busy: model.busyMs / lastMs,
      },
      lastMs,
      events: this.#world.queue.taken,
    };
  }
}
