import { freeMemory } from "../free_memory.ts";

/** Below this the C library takes memory from its heap. */
const BYTES = 100_000;
const BUFFERS = 600;

// Lets go of 60 MB that lie beneath what is still held, and tells what the process has of memory, bytes, and whether it gave any back.
let many: ArrayBuffer[] = [];
for (let buffer = 0; buffer < BUFFERS; buffer++) many.push(new Uint8Array(BYTES).fill(1).buffer);
const held = new Uint8Array(BYTES).fill(1);
many = [];
(globalThis as { gc?: () => void }).gc!();
const before = process.memoryUsage().rss;
const freed = freeMemory();
const after = process.memoryUsage().rss;
console.log(JSON.stringify({ before, after, freed, held: held.length }));
