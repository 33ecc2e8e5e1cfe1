import { HAVE_INTERVAL_MS, HAVE_KEEPALIVE_MS } from "../../protocol/swarm/have_stream.ts";
import type { Exchange } from "./exchange.ts";
import { Kind } from "./kinds.ts";
import { type Participant, part } from "./participant.ts";
import { LATENCY_MS } from "./setup.ts";
import type { World } from "./world.ts";

/** How often a participant looks after its neighbours, ms. */
const LOOK_AFTER_MS = 250;
/** A neighbour silent for so long is dead, ms: three signs of life are missing. */
const SILENCE_MS = 3 * HAVE_KEEPALIVE_MS;

/** Neighbours find each other, tell each other what they have, and lose each other. */
export class Talk {
  readonly #world: World;
  readonly #exchange: Exchange;

  constructor(world: World, exchange: Exchange) {
    this.#world = world;
    this.#exchange = exchange;
  }

  /** A participant begins to look after its neighbours. */
  begin(participant: Participant): void {
    const { queue, random } = this.#world;
    queue.push(queue.nowMs + random() * LOOK_AFTER_MS, Kind.lookAfter, participant.index);
  }

  /** Connecting, asking and the first answer take three ways; then both know each other. */
  connect(a: Participant, b: Participant, near: boolean): void {
    const world = this.#world;
    const wayMs = world.network.latencyMs(a.node, b.node);
    world.at(world.nowMs + 3 * wayMs, () => {
      if (!world.isAlive(a.node)) return;
      if (!world.isAlive(b.node)) {
        world.at(world.nowMs + SILENCE_MS, () => a.dropped.push(b.id));
        return;
      }
      if (a.neighbours.includes(b)) return;
      this.#listen(a, b, near);
      this.#listen(b, a, near);
    });
  }

  #listen(listener: Participant, speaker: Participant, near: boolean): void {
    const { chooser } = listener;
    const slot = chooser.addNeighbour(near, this.#world.nowMs);
    if (slot < 0) throw new Error("more neighbours than slots");
    listener.neighbours[slot] = speaker;
    const far = this.#world.far(listener.node, speaker.node);
    speaker.listeners[far].push({ chooser, participant: listener, slot });
    for (let place = 0; place < speaker.told[far]!; place++) {
      chooser.neighbourHas(slot, speaker.log[place]!);
    }
    chooser.neighbourLoad(slot, speaker.load, this.#world.nowMs);
    this.#exchange.pump(listener);
  }

  /** A participant has news, which go out as soon as the interval allows. */
  plan(participant: Participant): void {
    if (participant.willTell) return;
    participant.willTell = true;
    const timeMs = Math.max(this.#world.nowMs, participant.lastTellMs + HAVE_INTERVAL_MS);
    this.#world.queue.push(timeMs, Kind.tell, participant.index);
  }

  tell(participant: Participant): void {
    participant.willTell = false;
    const { network, queue, nowMs } = this.#world;
    const { node, task, load, logged, index, chooser } = participant;
    if (!network.isAlive(node)) return;
    participant.lastTellMs = nowMs;
    load.queueMs = network.queueMs(node);
    load.blockMs = network.blockMs(node, this.#world.bytes(task, 0));
    queue.push(nowMs + LATENCY_MS.inRack, Kind.told, index * 2, logged);
    queue.push(nowMs + LATENCY_MS.across, Kind.told, index * 2 + 1, logged);
    if (chooser.inFlight > 0) this.#exchange.hurry(participant);
  }

  /** Those in the speaker's rack (far = 0), or the others, hear of its first `upTo` blocks. */
  told(speaker: Participant, far: number, upTo: number): void {
    const { nowMs } = this.#world;
    const from = speaker.told[far]!;
    for (const { chooser, participant, slot } of speaker.listeners[far]!) {
      chooser.neighbourLoad(slot, speaker.load, nowMs);
      if (chooser.missing === 0) continue;
      for (let place = from; place < upTo; place++) chooser.neighbourHas(slot, speaker.log[place]!);
      if (participant.hungry) this.#exchange.pump(participant);
    }
    if (upTo > from) speaker.told[far] = upTo;
  }

  lookAfter(participant: Participant): void {
    const { nowMs, queue } = this.#world;
    const { chooser } = participant;
    if (!this.#world.isAlive(participant.node)) return;
    for (;;) {
      const slot = chooser.silent(SILENCE_MS, nowMs);
      if (slot < 0) break;
      const other = participant.neighbours[slot]!;
      part(participant, other);
      participant.dropped.push(other.id);
    }
    if (nowMs - participant.lastTellMs > HAVE_KEEPALIVE_MS - LOOK_AFTER_MS) this.plan(participant);
    if (chooser.missing > 0) {
      this.#exchange.pump(participant);
      this.#exchange.hurry(participant);
    }
    queue.push(nowMs + LOOK_AFTER_MS, Kind.lookAfter, participant.index);
  }
}
