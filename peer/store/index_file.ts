import { readFile } from "node:fs/promises";
import * as z from "zod";
import { writeFileAtomically } from "../../runtime/files.ts";

/** What lies beside each cached file, so that the cache outlives the process. It holds no secrets. */
export const fileIndexSchema = z.object({
  version: z.literal(1),
  /** What the file is found by: `sha256:<hex>` where its digest is known, else its task id. */
  key: z.string().min(1),
  taskId: z.string(),
  /** The client id under which the supernode knows this copy. */
  cid: z.string(),
  /** `host:port` of that supernode, or empty. */
  supernode: z.string(),
  /** Name on the peer server, `/peer/file/<name>`. */
  name: z.string().min(1),
  /** Bytes of the file; -1 while unknown. */
  length: z.number().int(),
  pieceSize: z.number().int().positive(),
  framed: z.boolean(),
  /** The pieces held. */
  pieces: z.array(z.number().int().nonnegative()),
  /** sha256 of each of these, one after the other, in base64. Absent where not all are known. */
  digests: z.string().optional(),
  /** Whether the whole file has been found to match its digest. */
  verified: z.boolean(),
  /** When somebody last used it, ms since the epoch. */
  touchedMs: z.number(),
});
export type FileIndex = z.infer<typeof fileIndexSchema>;

/** Where the index of a data file lies. */
export function indexPath(filePath: string): string {
  return `${filePath}.json`;
}

export async function writeIndex(path: string, index: FileIndex): Promise<void> {
  await writeFileAtomically(path, JSON.stringify(index));
}

/** Reads an index; `undefined` where there is none, or it cannot be read now, `damaged` where it makes no sense. */
export async function readIndex(path: string): Promise<FileIndex | "damaged" | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return fileIndexSchema.safeParse(JSON.parse(text)).data ?? "damaged";
  } catch {
    return "damaged";
  }
}
