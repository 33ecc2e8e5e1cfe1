// Lets go of 60 MB that lie beneath what is still held. Prints how many bytes less the process has since, and whether any were freed.
import { setTimeout as sleep } from "node:timers/promises";
import { freeMemory } from "../free_memory.ts";

/** Below this the C library takes memory from its heap. */
const BYTES = 100_000;
const BUFFERS = 600;
/** Times at most that memory is given back: the runtime sweeps what it has collected beside the program. */
const TRIES = Number(process.argv[2]);
const PAUSE_MS = 50;

const rss = () => process.memoryUsage().rss;
let many: ArrayBuffer[] = [];
for (let buffer = 0; buffer < BUFFERS; buffer++) many.push(new Uint8Array(BYTES).fill(1).buffer);
const held = new Uint8Array(BYTES).fill(1);
const before = rss();
many = [];
let freed = false;
for (let tries = 0; tries < TRIES && before - rss() < (BYTES * BUFFERS) / 2; tries++) {
  (globalThis as { gc?: () => void }).gc!();
  await sleep(PAUSE_MS);
  freed = freeMemory() || freed;
}
console.log(JSON.stringify({ less: before - rss(), freed, held: held.length }));
