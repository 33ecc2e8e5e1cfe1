import { type NeighbourTable, Use } from "./neighbour_table.ts";

/** Requests at a neighbour whose speed is not known yet. */
const PROBE = 1;
/** Requests at one neighbour, where its queue is short, however many others there are. */
const LEAST_EACH = 2;
/** Together the neighbours may be asked for so many times the window. */
const ALL_TOGETHER = 1.5;
/** A neighbour at which a block takes longer is slow, ms: it is asked only for what nobody else has. */
export const LONGEST_QUEUE_MS = 150;
/** … unless this many of its blocks take longer. */
const LONGEST_QUEUE_BLOCKS = 3;
/** One in another zone must be so many times faster to be preferred. */
const FAR_FACTOR = 1.5;

const NOBODY = -1;

/**
 * The neighbour at which one more request would wait the least.
 *
 * @param window blocks that may be on their way
 * @param idle whether none is: then the longest queue is better than none
 * @param random uniform in [0, 1): whom to look at first
 * @returns -1 where there is none, or all have enough to do
 */
export function shortestQueue(
  neighbours: NeighbourTable,
  window: number,
  idle: boolean,
  random: () => number,
): number {
  const { slots } = neighbours;
  let useful = 0;
  for (let slot = 0; slot < slots; slot++) {
    if (neighbours.isUsed(slot) && neighbours.use(slot) !== Use.none) useful += 1;
  }
  if (useful === 0) return NOBODY;
  const each = Math.max(LEAST_EACH, Math.ceil((ALL_TOGETHER * window) / useful));
  let best = NOBODY;
  let bestMs = Number.POSITIVE_INFINITY;
  let slot = Math.floor(random() * slots);
  for (let count = slots; count > 0; count--) {
    slot = slot + 1 === slots ? 0 : slot + 1;
    if (!neighbours.isUsed(slot) || neighbours.use(slot) === Use.none) continue;
    if (!neighbours.mayBeAsked(slot)) continue;
    const outstanding = neighbours.outstanding(slot);
    const blockMs = neighbours.blockMs(slot);
    if (outstanding >= (blockMs === 0 ? PROBE : each)) continue;
    const queueMs = neighbours.queueMs(slot);
    const tooLong = queueMs > LONGEST_QUEUE_MS && queueMs > LONGEST_QUEUE_BLOCKS * blockMs;
    if (tooLong && !idle) continue;
    if (neighbours.extraMs(slot) > LONGEST_QUEUE_MS && outstanding >= LEAST_EACH) continue;
    const scoreMs = weightedMs(neighbours, slot);
    if (scoreMs < bestMs) {
      bestMs = scoreMs;
      best = slot;
    }
  }
  return best;
}

/**
 * The neighbour from which a block would come first.
 *
 * @param than who was asked for it already
 * @param withinMs how soon it would have to come, ms
 * @returns -1 where nobody promises that
 */
export function fasterHolder(
  neighbours: NeighbourTable,
  block: number,
  than: number,
  withinMs: number,
): number {
  let best = NOBODY;
  let bestMs = withinMs;
  for (let slot = 0; slot < neighbours.slots; slot++) {
    if (slot === than || !neighbours.has(slot, block) || !neighbours.mayBeAsked(slot)) continue;
    if (neighbours.blockMs(slot) === 0 && neighbours.outstanding(slot) >= PROBE) continue;
    const scoreMs = weightedMs(neighbours, slot);
    if (scoreMs < bestMs) {
      bestMs = scoreMs;
      best = slot;
    }
  }
  return best;
}

/** When a block would be here, ms from now; longer for a neighbour in another zone. */
function weightedMs(neighbours: NeighbourTable, slot: number): number {
  return neighbours.expectedMs(slot) * (neighbours.isNear(slot) ? 1 : FAR_FACTOR);
}
