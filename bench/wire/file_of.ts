import { createCipheriv, createHash } from "node:crypto";
import { open } from "node:fs/promises";

const CHUNK = 1024 * 1024;
export const MiB = 1024 * 1024;
export const GiB = 1024 * MiB;

/**
 * Writes a file of bytes that no compressor makes smaller, the same for the same seed.
 *
 * @returns its sha256, hex
 */
export async function writeRandomFile(path: string, bytes: number, seed = path): Promise<string> {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK);
  const hash = createHash("sha256");
  const file = await open(path, "w");
  try {
    for (let left = bytes; left > 0; left -= CHUNK) {
      const chunk = cipher.update(left < CHUNK ? zeros.subarray(0, left) : zeros);
      hash.update(chunk);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}
