import { blockBytes } from "../../protocol/swarm/blocks.ts";

/**
 * Bytes that a registry sends at most of a layer that leaves it once: one in twenty more, or two blocks more. On a
 * machine that is too busy whoever fetches a block may pass for dead, and the block is fetched again.
 *
 * @param size of the layer, bytes
 */
export function aboutOnce(size: number): number {
  return Math.max(1.05 * size, size + 2 * blockBytes(size));
}
