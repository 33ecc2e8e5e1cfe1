import { readSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { memoryIn } from "./process_usage.ts";

/** Memory that is left free, bytes: a few times what the kernel keeps for itself. */
const LEFT = 250e6;

/** What large reads bring free memory down to, bytes. What is left then lies in pieces too small for them. */
const SCATTERED = 1.5e9;

const READ_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;

/** Reads between two looks at how much is free. */
const LARGE_READS = 64;
const PAGE_READS = 4096;

/**
 * Fills the system's page cache, as it is on a machine that has been up for a while: by reading a file without
 * contents in `directory`. New pages of a file then take the place of others, and are there at once. Without it
 * a virtual machine gives memory that nobody uses back to its host within seconds, and gets it again page by page at
 * a tenth of the rate at which a file is written into memory that is there: a measurement of programs that
 * write for ten seconds would show that, and little else.
 *
 * Does nothing where there is no `/proc/meminfo`.
 */
export async function fillPageCache(directory: string): Promise<void> {
  const file = await open(join(directory, "holes"), "a+");
  try {
    // Each time other parts of the file are read: it begins where it ended.
    const from = await readAhead(file, (await file.stat()).size, totalmem());
    await readScattered(file, from);
  } finally {
    await file.close();
  }
}

/** Reads in a row from `from` on, at most `most` bytes. The kernel reads megabytes ahead, into as large pages. */
async function readAhead(file: FileHandle, from: number, most: number): Promise<number> {
  const buffer = Buffer.alloc(READ_BYTES);
  let at = from;
  while (at < from + most && (await freeBytes()) > SCATTERED) {
    await file.truncate(at + LARGE_READS * READ_BYTES);
    for (let read = 0; read < LARGE_READS; read++) {
      await file.read(buffer, 0, READ_BYTES, at);
      at += READ_BYTES;
    }
  }
  return at;
}

/** Reads single pages, so far from each other that nothing is read ahead. */
async function readScattered(file: FileHandle, from: number): Promise<void> {
  const page = Buffer.alloc(PAGE_BYTES);
  let at = from;
  for (
    let rest = (2 * SCATTERED) / PAGE_BYTES;
    rest > 0 && (await freeBytes()) > LEFT;
    rest -= PAGE_READS
  ) {
    await file.truncate(at + PAGE_READS * READ_BYTES);
    for (let read = 0; read < PAGE_READS; read++) {
      readSync(file.fd, page, 0, PAGE_BYTES, at);
      at += READ_BYTES;
    }
  }
}

/** Memory that nobody uses, bytes; 0 where the system does not tell. (`os.freemem` counts the page cache as free.) */
async function freeBytes(): Promise<number> {
  return memoryIn(await readFile("/proc/meminfo", "utf8").catch(() => ""), "MemFree");
}
