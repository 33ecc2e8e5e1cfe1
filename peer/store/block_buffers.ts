import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { BufferPool } from "../../runtime/buffer_pool.ts";

/** What blocks are received into and sent from; at most 32 MiB lie idle. */
export const blockBuffers = new BufferPool(BLOCK_BYTES, 32);
