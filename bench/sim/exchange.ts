import type { Participant } from "./participant.ts";
import type { World } from "./world.ts";

export interface ExchangeEvents {
  /** A participant has got a block. */
  gained(participant: Participant, block: number): void;
  /** A participant's queue has grown. */
  busier(participant: Participant): void;
}

/** Participants ask each other for blocks, as their choosers say, and get them. */
export class Exchange {
  /** Bytes of blocks that came to those who had them already. */
  wastedBytes = 0;
  readonly #world: World;
  readonly #events: ExchangeEvents;

  constructor(world: World, events: ExchangeEvents) {
    this.#world = world;
    this.#events = events;
  }

  /** Asks for as many blocks as may be on their way. */
  pump(participant: Participant): void {
    const { chooser, node } = participant;
    if (!this.#world.isAlive(node)) return;
    while (chooser.next(this.#world.nowMs)) {
      participant.transferOf[chooser.block] = this.#request(participant);
    }
    participant.hungry = chooser.hasRoom;
  }

  /** Asks again for what would come sooner from others. */
  hurry(participant: Participant): void {
    const { chooser } = participant;
    while (chooser.again(this.#world.nowMs)) {
      participant.secondOf.set(chooser.block, this.#request(participant));
    }
  }

  requestArrives(transfer: number): void {
    const { network, setup } = this.#world;
    const from = network.from[transfer]!;
    const task = network.tag[transfer]! % setup.layers.length;
    const sender = this.#world.participant(from, task);
    const otherZone = setup.zones === true && this.#world.far(from, network.to[transfer]!) === 1;
    const urgent = sender.uploads.isUrgent(network.block[transfer]!, otherZone);
    if (network.requestArrives(transfer, urgent)) this.#events.busier(sender);
  }

  delivered(transfer: number): void {
    const { network, participants, nowMs } = this.#world;
    const participant = participants[network.tag[transfer]!]!;
    const whole = network.arrivedWhole(transfer);
    const block = network.block[transfer]!;
    const from = network.from[transfer]!;
    network.release(transfer);
    if (!whole) return;
    const { chooser, index, task, transferOf, secondOf } = participant;
    if (chooser.holds(block)) {
      this.wastedBytes += this.#world.bytes(task, block);
      return;
    }
    const slot = participant.neighbours.indexOf(this.#world.participant(from, task));
    if (chooser.arrived(slot, block, nowMs) >= 0) {
      network.cancel(transferOf[block]!, index, block);
      network.cancel(secondOf.get(block) ?? transfer, index, block);
    }
    secondOf.delete(block);
    this.#events.gained(participant, block);
  }

  #request(participant: Participant): number {
    const { chooser, index, node, task } = participant;
    const { block } = chooser;
    const from = participant.neighbours[chooser.slot]!;
    return this.#world.network.request(
      node,
      from.node,
      block,
      this.#world.bytes(task, block),
      index,
    );
  }
}
