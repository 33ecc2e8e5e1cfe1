import { lowestBit } from "../../protocol/swarm/bitmap.ts";
import type { NeighbourTable } from "./neighbour_table.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

/**
 * Of some open blocks that a neighbour has, the one that fewest others have.
 *
 * @param start a random block, to look from there on
 * @param sample how many to look at
 * @returns -1 where it has none
 */
export function rareBlock(
  wanted: WantedBlocks,
  neighbours: NeighbourTable,
  slot: number,
  start: number,
  sample: number,
): number {
  const { words } = wanted;
  let index = start >>> 5;
  // The first word's bits below the start come last.
  let mask = (0xffffffff << (start & 31)) >>> 0;
  let best = -1;
  let fewest = 256;
  let seen = 0;
  for (let count = words; count >= 0; count--) {
    let word = wanted.openWord(index) & neighbours.word(slot, index) & mask;
    while (word !== 0) {
      const block = index * 32 + lowestBit(word);
      word &= word - 1;
      const having = neighbours.holders(block);
      if (having < fewest) {
        fewest = having;
        best = block;
      }
      seen += 1;
    }
    if (seen >= sample || fewest === 1) break;
    index = index + 1 === words ? 0 : index + 1;
    mask = count === 1 ? ~((0xffffffff << (start & 31)) >>> 0) : 0xffffffff;
  }
  return best;
}
