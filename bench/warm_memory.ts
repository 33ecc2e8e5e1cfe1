import { open, rm } from "node:fs/promises";
import { join } from "node:path";

const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Writes a file of so many bytes and deletes it. A virtual machine gives memory that nobody uses back to its
 * host, and gets it again page by page at a fifth of the rate at which a file is written into memory that
 * is there: a measurement of eight nodes on one machine would show that, eight times over, and little else.
 */
export async function warmMemory(directory: string, bytes: number): Promise<void> {
  const path = join(directory, "warm-memory");
  const file = await open(path, "w");
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES, 1);
    for (let written = 0; written < bytes; written += CHUNK_BYTES) await file.write(chunk);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
