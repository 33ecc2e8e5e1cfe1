import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BlobQuestion } from "./blob_client.ts";
import type { ClientsAnswer, ClientsQuestion } from "./blob_client_program.ts";
import type { Bench } from "./measure.ts";

/** Clients in a process of their own, so that what they do is not done by whoever measures. */
export interface BlobClients {
  /** Gets all these blobs at once; the seconds are those of the last one. */
  get(blobs: BlobQuestion[]): Promise<ClientsAnswer>;
}

/** @param label what the process is called, and its log */
export function startBlobClients(bench: Bench, label: string): BlobClients {
  const program = join(dirname(fileURLToPath(import.meta.url)), "blob_client_program.js");
  const clients = bench.programs.start({
    label,
    command: [process.execPath, program],
    log: join(bench.directory, `${label}.log`),
    answers: true,
  });
  return { get: (blobs) => clients.ask<ClientsAnswer>({ blobs } satisfies ClientsQuestion) };
}
