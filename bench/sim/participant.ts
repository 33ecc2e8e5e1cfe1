import { BlockChooser } from "../../peer/swarm/choose_blocks.ts";
import { UploadOrder } from "../../peer/swarm/upload_order.ts";
import { blockCount } from "../../protocol/swarm/blocks.ts";

/** Neighbours for which a node has room; the supernode gives it no more than 40. */
const SLOTS = 48;

/** A lease as its holder sees it. */
export interface HeldLease {
  id: number;
  first: number;
  count: number;
  done: number;
}

/** Another participant that is told what this one has. */
export interface Listener {
  readonly chooser: BlockChooser;
  readonly participant: Participant;
  /** Which of its slots this one is in. */
  readonly slot: number;
}

/** One node's share in the swarm of one layer. */
export class Participant {
  readonly index: number;
  readonly node: number;
  readonly task: number;
  readonly id: string;
  readonly blocks: number;
  readonly chooser: BlockChooser;
  readonly uploads: UploadOrder;

  /** The neighbour in each slot. */
  readonly neighbours: (Participant | undefined)[] = new Array(SLOTS).fill(undefined);
  /** Who hears of what this one has: those in its rack, and the others. */
  readonly listeners: readonly [Listener[], Listener[]] = [[], []];
  /** Blocks in the order in which they came. */
  readonly log: Int32Array;
  logged = 0;
  /** Leading blocks that have come without a gap: what a client could have been given. */
  inOrder = 0;
  /** When they were half of the file, ms. */
  halfMs = Number.POSITIVE_INFINITY;
  /** When there was one more of them last, and the longest time without, ms. */
  moreMs = Number.POSITIVE_INFINITY;
  silentMs = 0;
  /** How many of them near, and other, neighbours have heard of. */
  readonly told: [number, number] = [0, 0];
  /** The load that was told last, ms. */
  readonly load = { queueMs: 0, blockMs: 0 };
  lastTellMs = Number.NEGATIVE_INFINITY;
  willTell = false;

  /** The transfer under way for each block, and second ones. */
  readonly transferOf: Int32Array;
  readonly secondOf = new Map<number, number>();

  leases: HeldLease[] = [];
  lastLeaseId = 0;
  /** Leases done since the last report. */
  finished: HeldLease[] = [];
  fetching = false;
  /** Neighbours dropped since the last report. */
  dropped: string[] = [];
  joined = false;
  /** Whether it would ask for more blocks if its neighbours had them. */
  hungry = true;
  doneMs = Number.POSITIVE_INFINITY;

  constructor(index: number, node: number, task: number, length: number, random: () => number) {
    this.index = index;
    this.node = node;
    this.task = task;
    this.id = String(node);
    this.blocks = blockCount(length);
    this.chooser = new BlockChooser({ blocks: this.blocks, slots: SLOTS, random });
    this.uploads = new UploadOrder(this.blocks);
    this.log = new Int32Array(this.blocks);
    this.transferOf = new Int32Array(this.blocks);
  }

  /** A block has come. */
  gains(block: number, nowMs: number): void {
    this.log[this.logged++] = block;
    if (block !== this.inOrder) return;
    while (this.inOrder < this.blocks && this.chooser.holds(this.inOrder)) this.inOrder += 1;
    this.silentMs = Math.max(this.silentMs, nowMs - this.moreMs);
    this.moreMs = nowMs;
    if (this.inOrder >= this.blocks / 2) this.halfMs = Math.min(this.halfMs, nowMs);
  }

  get neighbourCount(): number {
    let count = 0;
    for (const neighbour of this.neighbours) if (neighbour) count += 1;
    return count;
  }
}

/** Ends what two participants have to do with each other. */
export function part(a: Participant, b: Participant): void {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const slot = one.neighbours.indexOf(other);
    if (slot >= 0) {
      one.chooser.removeNeighbour(slot);
      one.neighbours[slot] = undefined;
    }
    for (const listeners of one.listeners) {
      const place = listeners.findIndex(({ participant }) => participant === other);
      if (place >= 0) listeners.splice(place, 1);
    }
  }
}
