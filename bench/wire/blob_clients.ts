import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClientsAnswer, ClientsQuestion, LaterBlob } from "./blob_client_program.ts";
import type { Bench } from "./measure.ts";

/** Clients in a process of their own, so that what they do is not done by whoever measures. */
export interface BlobClients {
  /** Gets all these blobs; the seconds are those of the last one. */
  get(blobs: LaterBlob[]): Promise<ClientsAnswer>;
}

/**
 * @param label what the process is called, and its log
 * @param prefix what goes before its command
 */
export function startBlobClients(
  bench: Bench,
  label: string,
  prefix: readonly string[] = [],
): BlobClients {
  const program = join(dirname(fileURLToPath(import.meta.url)), "blob_client_program.js");
  const clients = bench.programs.start({
    label,
    command: [...prefix, process.execPath, program],
    log: join(bench.directory, `${label}.log`),
    answers: true,
  });
  return { get: (blobs) => clients.ask<ClientsAnswer>({ blobs } satisfies ClientsQuestion) };
}
