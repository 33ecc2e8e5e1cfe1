import { lowestBit } from "../../protocol/swarm/bitmap.ts";
import type { NeighbourTable } from "./neighbour_table.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

/**
 * Of the next open blocks that a neighbour has, in the file's order, one that fewest others have.
 *
 * @param from the block to look from on
 * @param sample how many to look at
 * @param enough of so many that nobody else has it is one of them: none can be rarer
 * @param random uniform in [0, 1): which one, where there are several
 * @returns -1 where it has none
 */
export function rareBlock(
  wanted: WantedBlocks,
  neighbours: NeighbourTable,
  slot: number,
  from: number,
  sample: number,
  enough: number,
  random: () => number,
): number {
  const { words } = wanted;
  let best = -1;
  let fewest = 256;
  let alike = 0;
  let seen = 0;
  const firstWord = from >>> 5;
  for (let index = Math.max(firstWord, wanted.firstWord); index < words; index++) {
    let word = wanted.openWord(index) & neighbours.word(slot, index);
    if (index === firstWord) word &= 0xffffffff << (from & 31);
    while (word !== 0) {
      const block = index * 32 + lowestBit(word);
      word &= word - 1;
      const having = neighbours.holders(block);
      if (having < fewest) {
        fewest = having;
        best = block;
        alike = 1;
      } else if (having === fewest) {
        alike += 1;
        if (random() * alike < 1) best = block;
      }
      seen += 1;
      if (seen === sample || (fewest === 1 && alike === enough)) return best;
    }
  }
  return best;
}
