import { expect, it } from "vitest";
import { LEAST_BLOCK_BYTES as BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { piecesHeld } from "./pieces_held.ts";

/** A file of which some blocks are here. */
function fileOf(length: number, blocks: readonly number[]) {
  return {
    holds(offset: number, bytes: number) {
      const last = Math.floor((Math.min(length, offset + bytes) - 1) / BLOCK_BYTES);
      for (let block = Math.floor(offset / BLOCK_BYTES); block <= last; block++) {
        if (!blocks.includes(block)) return false;
      }
      return true;
    },
  };
}

const LENGTH = 10 * BLOCK_BYTES;
const pieceSize = 4 * BLOCK_BYTES;

it("counts bare pieces whose blocks are here, the short last one too", () => {
  const layout = { pieceSize, framed: false, length: LENGTH };
  expect([...piecesHeld(fileOf(LENGTH, [0, 1, 2, 3, 4, 6, 7, 8, 9]), layout)]).toEqual([0, 2]);
});

it("counts framed pieces only where also the block is here in which they end or begin", () => {
  const layout = { pieceSize, framed: true, length: LENGTH };
  // Piece 0 ends five bytes before block 4, piece 1 begins there and ends in block 7.
  expect([...piecesHeld(fileOf(LENGTH, [0, 1, 2, 3]), layout)]).toEqual([0]);
  expect([...piecesHeld(fileOf(LENGTH, [4, 5, 6, 7]), layout)]).toEqual([]);
  expect([...piecesHeld(fileOf(LENGTH, [3, 4, 5, 6, 7]), layout)]).toEqual([1]);
});
