import { blockLength } from "../../protocol/swarm/blocks.ts";
import { HAVE_INTERVAL_MS, HAVE_KEEPALIVE_MS } from "../../protocol/swarm/have_stream.ts";
import { MAX_STARVED } from "../../protocol/swarm/messages.ts";
import { DEFAULT_REGISTRY_CONNECTIONS } from "../../supernode/schedule/source_leases.ts";
import { type MemberAdvice, SwarmTask } from "../../supernode/schedule/swarm_task.ts";
import { EventQueue } from "./event_queue.ts";
import { Kind } from "./kinds.ts";
import { Network, type Wiring } from "./network.ts";
import { type HeldLease, Participant, part } from "./participant.ts";
import { seededRandom } from "./random.ts";
import { RegistryLink } from "./registry_link.ts";
import { type ServiceTimes, SupernodeModel } from "./supernode_model.ts";

/** What is simulated. Rates are bytes a second. */
export interface Setup {
  seed: number;
  nodes: number;
  /** Bytes of each layer; a node fetches all at once. */
  layers: readonly number[];
  /** What a node's line carries, in each direction. */
  link: number;
  registryLink: number;
  racks: number;
  /** What each direction between two racks carries. */
  thinLine?: number;
  /** When nodes come: all at once, spread evenly over some ms, or in so many waves, each when the one
   * before it is done. */
  arrival?: { spreadMs: number } | { waves: number };
  /** The part of the nodes that are slow, and the part of the speed that they have. */
  stragglers?: { part: number; speed: number };
  /** The part of the nodes that die, at a random time between two, ms. */
  deaths?: { part: number; fromMs: number; toMs: number };
  service: ServiceTimes;
}

/** What came out. */
export interface Outcome {
  /** ms from a node's start to its last block, for each node that lived and is no straggler. */
  healthyMs: Float64Array;
  /** … for each node that lived. */
  allMs: Float64Array;
  /** Living nodes that did not complete. */
  incomplete: number;
  /** Bytes that left the registry, as a multiple of the image. */
  egress: number;
  /** Bytes that went from one rack to another, as a multiple of the image. */
  cross: number;
  /** Bytes that nodes sent for nothing, as a part of all they sent. */
  waste: number;
  supernode: {
    requests: number;
    /** Requests a second, in the mean and in the busiest second. */
    perSecond: number;
    peakPerSecond: number;
    /** Part of the time for which its core is busy, until the last node is done. */
    busy: number;
  };
  /** ms until the last node was done. */
  lastMs: number;
  events: number;
}

/** Latency one way, ms. */
export const LATENCY_MS = { inRack: 0.5, across: 1 };
/** What the registry takes to begin with an answer, ms. */
const REGISTRY_MS = 1;
/** What the source takes to answer the supernode's question about a new task, ms. */
const PROBE_MS = 10;
const LOOK_AFTER_MS = 250;
/** A neighbour silent for so long is dead, ms: three frames of its stream are missing. */
const SILENCE_MS = 3 * HAVE_KEEPALIVE_MS;
const EXPIRE_MS = 250;

/** A swarm that fetches an image. */
export class Simulation {
  readonly #setup: Setup;
  readonly #queue = new EventQueue();
  readonly #calls: (() => void)[] = [];
  readonly #freeCalls: number[] = [];
  readonly #network: Network;
  readonly #wiring: Wiring;
  readonly #registry: RegistryLink;
  #registryVersion = 0;
  #registryBytes = 0;
  readonly #supernode: SupernodeModel;
  readonly #tasks: SwarmTask[];
  readonly #participants: Participant[] = [];
  readonly #startMs: Float64Array;
  readonly #doneMs: Float64Array;
  readonly #straggles: Uint8Array;
  readonly #random: () => number;
  #toDo: number;
  #waste = 0;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#random = seededRandom(setup.seed);
    const { nodes, layers, racks } = setup;
    const random = seededRandom(setup.seed + 1);
    this.#straggles = new Uint8Array(nodes).map(() =>
      setup.stragglers && random() < setup.stragglers.part ? 1 : 0,
    );
    const rate = (_: number, node: number) =>
      (setup.link / 1000) * (this.#straggles[node] === 1 ? setup.stragglers!.speed : 1);
    this.#wiring = {
      up: new Float64Array(nodes).map(rate),
      down: new Float64Array(nodes).map(rate),
      rack: new Int32Array(nodes).map((_, node) => Math.floor((node * racks) / nodes)),
      latencyMs: LATENCY_MS,
      thinLine: setup.thinLine && setup.thinLine / 1000,
    };
    this.#network = new Network(this.#queue, this.#wiring, nodes * layers.length * 100 + 1000);
    this.#registry = new RegistryLink(setup.registryLink / 1000);
    this.#supernode = new SupernodeModel(setup.service, (timeMs, run) => this.#at(timeMs, run));
    const budget = { most: DEFAULT_REGISTRY_CONNECTIONS, used: 0 };
    for (let node = 0; node < nodes; node++) {
      layers.forEach((length, task) => {
        const index = node * layers.length + task;
        this.#participants.push(new Participant(index, node, task, length, this.#random));
      });
    }
    this.#tasks = layers.map(
      (_, task) =>
        new SwarmTask({
          blocks: this.#participants[task]!.blocks,
          budget,
          random: seededRandom(setup.seed + 2 + task),
        }),
    );
    this.#startMs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.#doneMs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.#toDo = nodes;
    this.#planArrivals();
    this.#planDeaths(random);
    this.#at(EXPIRE_MS, () => this.#expire());
  }

  /** Runs until every living node has everything, or `limitMs` is over. */
  run(limitMs: number): Outcome {
    const queue = this.#queue;
    const network = this.#network;
    while (this.#toDo > 0 && queue.take() && queue.nowMs < limitMs) {
      const { a, b } = queue;
      switch (queue.kind) {
        case Kind.requestArrives:
          this.#requestArrives(a);
          break;
        case Kind.uplinkFree:
          network.uplinkFree(a);
          break;
        case Kind.reachesDownlink:
          network.reachesDownlink(a);
          break;
        case Kind.delivered:
          this.#delivered(a);
          break;
        case Kind.tell:
          this.#tell(this.#participants[a]!);
          break;
        case Kind.told:
          this.#told(this.#participants[a >> 1]!, a & 1, b);
          break;
        case Kind.lookAfter:
          this.#lookAfter(this.#participants[a]!);
          break;
        default: {
          const run = this.#calls[a]!;
          this.#freeCalls.push(a);
          run();
        }
      }
    }
    return this.#outcome();
  }

  #at(timeMs: number, run: () => void): void {
    const place = this.#freeCalls.pop() ?? this.#calls.length;
    this.#calls[place] = run;
    this.#queue.push(Math.max(timeMs, this.#queue.nowMs), Kind.call, place);
  }

  // ---- arrival and death

  #planArrivals(): void {
    const { nodes, arrival } = this.#setup;
    if (arrival && "waves" in arrival) {
      this.#startWave(0);
      return;
    }
    // At once, but in no order.
    const spreadMs = arrival?.spreadMs ?? 1;
    for (let node = 0; node < nodes; node++) {
      this.#at(spreadMs * this.#random(), () => this.#start(node));
    }
  }

  #wave = { number: -1, left: 0 };

  #startWave(number: number): void {
    const { nodes, arrival } = this.#setup;
    const { waves } = arrival as { waves: number };
    // Every wave takes nodes from all racks.
    const members: number[] = [];
    for (let node = number; node < nodes; node += waves) members.push(node);
    this.#wave = { number, left: members.length };
    for (const node of members) {
      this.#at(this.#queue.nowMs + this.#random(), () => this.#start(node));
    }
  }

  #planDeaths(random: () => number): void {
    const { deaths, nodes } = this.#setup;
    if (!deaths) return;
    for (let node = 0; node < nodes; node++) {
      if (random() >= deaths.part) continue;
      this.#at(deaths.fromMs + random() * (deaths.toMs - deaths.fromMs), () => this.#die(node));
    }
  }

  #die(node: number): void {
    const { nowMs } = this.#queue;
    this.#network.kill(node);
    for (const participant of this.#of(node)) this.#registry.cut(participant.index, nowMs);
    this.#planRegistry();
    if (this.#doneMs[node] === Number.POSITIVE_INFINITY) this.#toDo -= 1;
  }

  #of(node: number): Participant[] {
    const tasks = this.#setup.layers.length;
    return this.#participants.slice(node * tasks, (node + 1) * tasks);
  }

  // ---- talking to the supernode

  #start(node: number): void {
    this.#startMs[node] = this.#queue.nowMs;
    for (const participant of this.#of(node)) this.#register(participant);
  }

  #register(participant: Participant): void {
    const { node } = participant;
    const task = this.#tasks[participant.task]!;
    // Whoever comes first waits for the source's answer; the supernode serves others meanwhile.
    const probed = task.size > 0 ? 0 : PROBE_MS;
    this.#ask(
      node,
      "register",
      (nowMs) => {
        const advice = task.join(
          {
            id: participant.id,
            zone: this.#setup.racks > 1 ? `rack ${this.#wiring.rack[node]}` : "",
            subnet: `10.0.${this.#wiring.rack[node]}`,
            serves: true,
            held: 0,
          },
          nowMs,
        );
        return () => {
          participant.joined = true;
          this.#heed(participant, advice);
          const index = participant.index;
          this.#queue.push(
            this.#queue.nowMs + this.#random() * LOOK_AFTER_MS,
            Kind.lookAfter,
            index,
          );
          if (this.#of(node)[0] === participant) this.#planHeartbeat(node, advice.heartbeatMs);
        };
      },
      probed,
    );
  }

  /** A request and its answer, each a latency long. */
  #ask(
    node: number,
    kind: "register" | "heartbeat",
    handle: (nowMs: number) => () => void,
    extraMs = 0,
  ): void {
    const { across } = LATENCY_MS;
    this.#at(this.#queue.nowMs + across, () =>
      this.#supernode.serve(kind, this.#queue.nowMs, (doneMs) => {
        const answer = handle(doneMs);
        this.#at(doneMs + extraMs + across, () => {
          if (this.#network.isAlive(node)) answer();
        });
      }),
    );
  }

  #planHeartbeat(node: number, inMs: number): void {
    this.#at(this.#queue.nowMs + inMs, () => {
      if (!this.#network.isAlive(node)) return;
      this.#report(node, (nextMs) => this.#planHeartbeat(node, nextMs));
    });
  }

  /** A report of all of a node's tasks. */
  #report(node: number, then: (heartbeatMs: number) => void): void {
    const said = this.#of(node)
      .filter(({ joined }) => joined)
      .map((participant) => {
        const { chooser, dropped, leases } = participant;
        participant.dropped = [];
        return {
          participant,
          held: participant.blocks - chooser.missing,
          leases: participant.finished
            .concat(leases)
            .map((lease) => this.#leaseReport(participant, lease)),
          wantsLeases: chooser.missing > 0 && leases.length < 2 ? 2 - leases.length : 0,
          starved: chooser.starved(MAX_STARVED),
          dropped,
        };
      });
    for (const { participant } of said) participant.finished = [];
    this.#ask(node, "heartbeat", (nowMs) => {
      const advice = said.map((report) => ({
        participant: report.participant,
        advice: this.#tasks[report.participant.task]!.report(report.participant.id, report, nowMs),
      }));
      return () => {
        let heartbeatMs = Number.POSITIVE_INFINITY;
        for (const { participant, advice: one } of advice) {
          if (one) this.#heed(participant, one);
          else this.#register(participant);
          heartbeatMs = Math.min(heartbeatMs, one?.heartbeatMs ?? 1000);
        }
        then(heartbeatMs);
      };
    });
  }

  #leaseReport(
    { index, fetching, leases, task }: Participant,
    { id, first, done, count }: HeldLease,
  ) {
    let partBytes = 0;
    if (fetching && leases[0]?.id === id && this.#registry.has(index)) {
      const bytes = blockLength(first + done, this.#setup.layers[task]!);
      partBytes = Math.floor(bytes - this.#registry.left(index, this.#queue.nowMs));
    }
    return { id, done, partBytes: done < count ? partBytes : 0, failed: false };
  }

  #expire(): void {
    const { nowMs } = this.#queue;
    this.#supernode.timer(nowMs, (doneMs) => {
      for (const task of this.#tasks) task.expire(doneMs, doneMs - nowMs);
    });
    this.#at(this.#queue.nowMs + EXPIRE_MS, () => this.#expire());
  }

  #heed(participant: Participant, advice: MemberAdvice): void {
    for (const { id, near } of advice.neighbours) {
      const index = Number(id) * this.#setup.layers.length + participant.task;
      this.#connect(participant, this.#participants[index]!, near);
    }
    this.#heedLeases(participant, advice.leases);
  }

  // ---- neighbours

  /** Connecting, asking and the first answer take three ways. */
  #connect(a: Participant, b: Participant, near: boolean): void {
    const wayMs = this.#network.latencyMs(a.node, b.node);
    this.#at(this.#queue.nowMs + 3 * wayMs, () => {
      if (!this.#network.isAlive(a.node)) return;
      if (!this.#network.isAlive(b.node)) {
        this.#at(this.#queue.nowMs + SILENCE_MS, () => a.dropped.push(b.id));
        return;
      }
      if (a.neighbours.includes(b)) return;
      const { nowMs } = this.#queue;
      const slotAtA = a.chooser.addNeighbour(near, nowMs);
      const slotAtB = b.chooser.addNeighbour(near, nowMs);
      if (slotAtA < 0 || slotAtB < 0) throw new Error("more neighbours than slots");
      a.neighbours[slotAtA] = b;
      b.neighbours[slotAtB] = a;
      this.#listen(a, slotAtA, b);
      this.#listen(b, slotAtB, a);
    });
  }

  /** `listener` has `speaker` in `slot` now, and hears what it has. */
  #listen(listener: Participant, slot: number, speaker: Participant): void {
    const far = this.#far(listener.node, speaker.node);
    speaker.listeners[far].push({ chooser: listener.chooser, participant: listener, slot });
    for (let place = 0; place < speaker.told[far]!; place++) {
      listener.chooser.neighbourHas(slot, speaker.log[place]!);
    }
    listener.chooser.neighbourLoad(slot, speaker.load, this.#queue.nowMs);
    this.#pump(listener);
  }

  #far(a: number, b: number): 0 | 1 {
    return this.#wiring.rack[a] === this.#wiring.rack[b] ? 0 : 1;
  }

  #lookAfter(participant: Participant): void {
    if (!this.#network.isAlive(participant.node)) return;
    const { nowMs } = this.#queue;
    const { chooser } = participant;
    for (;;) {
      const slot = chooser.silent(SILENCE_MS, nowMs);
      if (slot < 0) break;
      const other = participant.neighbours[slot]!;
      part(participant, other);
      participant.dropped.push(other.id);
    }
    if (nowMs - participant.lastTellMs > HAVE_KEEPALIVE_MS - LOOK_AFTER_MS)
      this.#planTell(participant);
    if (chooser.missing > 0) {
      this.#pump(participant);
      this.#hurry(participant);
    }
    this.#queue.push(nowMs + LOOK_AFTER_MS, Kind.lookAfter, participant.index);
  }

  #planTell(participant: Participant): void {
    if (participant.willTell) return;
    participant.willTell = true;
    const timeMs = Math.max(this.#queue.nowMs, participant.lastTellMs + HAVE_INTERVAL_MS);
    this.#queue.push(timeMs, Kind.tell, participant.index);
  }

  #tell(participant: Participant): void {
    participant.willTell = false;
    if (!this.#network.isAlive(participant.node)) return;
    const { nowMs } = this.#queue;
    participant.lastTellMs = nowMs;
    participant.load.queueMs = this.#network.queueMs(participant.node);
    participant.load.blockMs = this.#network.blockMs(
      participant.node,
      blockLength(0, this.#setup.layers[participant.task]!),
    );
    const { inRack, across } = LATENCY_MS;
    const event = participant.index * 2;
    this.#queue.push(nowMs + inRack, Kind.told, event, participant.logged);
    if (participant.listeners[1].length > 0 || participant.told[1] < participant.logged)
      this.#queue.push(nowMs + across, Kind.told, event + 1, participant.logged);
    if (participant.chooser.inFlight > 0) this.#hurry(participant);
  }

  #told(speaker: Participant, far: number, upTo: number): void {
    const from = speaker.told[far]!;
    const { nowMs } = this.#queue;
    for (const { chooser, participant, slot } of speaker.listeners[far]!) {
      chooser.neighbourLoad(slot, speaker.load, nowMs);
      if (chooser.missing === 0) continue;
      for (let place = from; place < upTo; place++) chooser.neighbourHas(slot, speaker.log[place]!);
      if (participant.hungry) this.#pump(participant);
    }
    if (upTo > from) speaker.told[far] = upTo;
  }

  // ---- blocks

  /** Asks for as many blocks as may be on their way. */
  #pump(participant: Participant): void {
    const { chooser } = participant;
    if (!this.#network.isAlive(participant.node)) return;
    while (chooser.next(this.#queue.nowMs)) {
      participant.transferOf[chooser.block] = this.#request(participant);
    }
    participant.hungry = chooser.hasRoom;
  }

  #hurry(participant: Participant): void {
    const { chooser } = participant;
    while (chooser.again(this.#queue.nowMs)) {
      participant.secondOf.set(chooser.block, this.#request(participant));
    }
  }

  #request(participant: Participant): number {
    const { slot, block } = participant.chooser;
    const from = participant.neighbours[slot]!;
    const bytes = blockLength(block, this.#setup.layers[participant.task]!);
    return this.#network.request(participant.node, from.node, block, bytes, participant.index);
  }

  #requestArrives(transfer: number): void {
    const network = this.#network;
    const tasks = this.#setup.layers.length;
    const to = network.to[transfer]!;
    const from = network.from[transfer]!;
    const sender = this.#participants[from * tasks + (network.tag[transfer]! % tasks)]!;
    const near = this.#far(from, to) === 0;
    const urgent = sender.uploads.isUrgent(network.block[transfer]!, near);
    // A node whose queue has grown says so.
    if (network.requestArrives(transfer, urgent)) this.#planTell(sender);
  }

  #delivered(transfer: number): void {
    const network = this.#network;
    const participant = this.#participants[network.tag[transfer]!]!;
    const whole = network.arrivedWhole(transfer);
    const block = network.block[transfer]!;
    const from = network.from[transfer]!;
    network.release(transfer);
    if (!whole) return;
    const { chooser } = participant;
    if (chooser.holds(block)) {
      this.#waste += 1;
      return;
    }
    const sender = this.#participants[from * this.#setup.layers.length + participant.task]!;
    const slot = participant.neighbours.indexOf(sender);
    const other = chooser.arrived(slot, block, this.#queue.nowMs);
    if (other >= 0) {
      const { index } = participant;
      network.cancel(participant.transferOf[block]!, index, block);
      network.cancel(participant.secondOf.get(block) ?? transfer, index, block);
    }
    participant.secondOf.delete(block);
    this.#gained(participant, block);
  }

  #gained(participant: Participant, block: number): void {
    participant.log[participant.logged++] = block;
    this.#planTell(participant);
    if (participant.chooser.missing === 0) this.#complete(participant);
    else this.#pump(participant);
  }

  #complete(participant: Participant): void {
    const { node } = participant;
    participant.doneMs = this.#queue.nowMs;
    if (this.#of(node).some(({ chooser }) => chooser.missing > 0)) return;
    this.#doneMs[node] = this.#queue.nowMs;
    this.#toDo -= 1;
    const { arrival } = this.#setup;
    if (!arrival || !("waves" in arrival)) return;
    this.#wave.left -= 1;
    if (this.#wave.left === 0 && this.#wave.number + 1 < arrival.waves)
      this.#startWave(this.#wave.number + 1);
  }

  // ---- the registry

  #heedLeases(participant: Participant, granted: MemberAdvice["leases"]): void {
    const { chooser } = participant;
    for (const mine of participant.leases) {
      const still = granted.find(({ id }) => id === mine.id);
      const count = still ? still.count : mine.done;
      for (let place = Math.max(mine.done, count); place < mine.count; place++)
        chooser.unreserve(mine.first + place);
      mine.count = Math.max(mine.done, count);
    }
    const before = participant.leases[0];
    participant.leases = participant.leases.filter(({ done, count }) => done < count);
    if (before && participant.leases[0] !== before && participant.fetching) {
      participant.fetching = false;
      this.#registry.cut(participant.index, this.#queue.nowMs);
      this.#planRegistry();
    }
    for (const { id, first, count } of granted) {
      if (id <= participant.lastLeaseId) continue;
      participant.lastLeaseId = id;
      participant.leases.push({ id, first, count, done: 0 });
      for (let block = first; block < first + count; block++) chooser.reserve(block);
    }
    this.#fetchNext(participant, true);
  }

  /** Goes on with the lease at hand; a new request to the registry takes a way there and back. */
  #fetchNext(participant: Participant, newRequest: boolean): void {
    if (participant.fetching || participant.leases.length === 0) return;
    participant.fetching = true;
    const { id } = participant.leases[0]!;
    const begin = () => {
      const lease = participant.leases[0];
      if (!this.#network.isAlive(participant.node) || lease?.id !== id) return;
      const length = this.#setup.layers[participant.task]!;
      const bytes = blockLength(lease.first + lease.done, length);
      const most = this.#wiring.down[participant.node]!;
      this.#registry.begin(participant.index, bytes, most, this.#queue.nowMs);
      this.#planRegistry();
    };
    if (newRequest) this.#at(this.#queue.nowMs + 2 * LATENCY_MS.across + REGISTRY_MS, begin);
    else begin();
  }

  #planRegistry(): void {
    const version = ++this.#registryVersion;
    const next = this.#registry.next();
    if (!next) return;
    this.#at(next.timeMs, () => {
      if (version !== this.#registryVersion) return;
      this.#registry.cut(next.receiver, this.#queue.nowMs);
      this.#planRegistry();
      this.#fetched(this.#participants[next.receiver]!);
    });
  }

  /** A block has come from the registry. */
  #fetched(participant: Participant): void {
    const lease = participant.leases[0]!;
    const block = lease.first + lease.done;
    const bytes = blockLength(block, this.#setup.layers[participant.task]!);
    this.#registryBytes += bytes;
    participant.fetching = false;
    lease.done += 1;
    const ends = lease.done === lease.count;
    if (ends) {
      participant.leases.shift();
      participant.finished.push(lease);
    }
    this.#fetchNext(participant, ends);
    this.#at(this.#network.receive(participant.node, bytes), () => {
      if (!this.#network.isAlive(participant.node)) return;
      if (!participant.chooser.holds(block)) {
        participant.chooser.hold(block);
        this.#gained(participant, block);
      }
      if (ends) this.#report(participant.node, () => {});
    });
  }

  #outcome(): Outcome {
    const { nodes, layers } = this.#setup;
    const healthy: number[] = [];
    const all: number[] = [];
    let incomplete = 0;
    let lastMs = 0;
    for (let node = 0; node < nodes; node++) {
      if (!this.#network.isAlive(node)) continue;
      const tookMs = this.#doneMs[node]! - this.#startMs[node]!;
      if (!Number.isFinite(tookMs)) {
        incomplete += 1;
        continue;
      }
      lastMs = Math.max(lastMs, this.#doneMs[node]!);
      all.push(tookMs);
      if (this.#straggles[node] === 0) healthy.push(tookMs);
    }
    if (incomplete > 0) lastMs = this.#queue.nowMs;
    const image = layers.reduce((sum, length) => sum + length, 0);
    const { requests, perSecond, busyMs } = this.#supernode;
    const total = requests.register + requests.heartbeat;
    return {
      healthyMs: Float64Array.from(healthy).sort(),
      allMs: Float64Array.from(all).sort(),
      incomplete,
      egress: this.#registryBytes / image,
      cross: this.#network.crossBytes / image,
      waste: (this.#waste * 2 ** 20) / Math.max(1, this.#network.peerBytes),
      supernode: {
        requests: total,
        perSecond: (total / lastMs) * 1000,
        peakPerSecond: Math.max(...perSecond.map((count) => count ?? 0)),
        busy: busyMs / lastMs,
      },
      lastMs,
      events: this.#queue.taken,
    };
  }
}
