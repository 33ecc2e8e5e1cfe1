import { LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { BuffersBySize } from "../../runtime/buffers_by_size.ts";

/** What blocks are received into and sent from, of any size that a block may have. */
export const blockBuffers = new BuffersBySize(LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES);
