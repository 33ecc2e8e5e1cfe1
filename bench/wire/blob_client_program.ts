import { setTimeout as sleep } from "node:timers/promises";
import { answerParent } from "../answer_parent.ts";
import { type BlobQuestion, getBlob } from "./blob_client.ts";

/** A blob that a client gets, so many milliseconds after the others; at once where none are named. */
export type LaterBlob = BlobQuestion & { afterMs?: number };

/** What the clients' program is asked: to get all these blobs. */
export interface ClientsQuestion {
  blobs: LaterBlob[];
}

export interface ClientsAnswer {
  seconds: number;
  bytes: number;
  /** Of each blob, from when its client began to its first byte, ms. */
  firstByteMs: number[];
}

answerParent(async (question): Promise<ClientsAnswer> => {
  const { blobs } = question as ClientsQuestion;
  const startMs = performance.now();
  const answers = await Promise.all(
    blobs.map(async ({ afterMs = 0, ...blob }) => {
      if (afterMs > 0) await sleep(afterMs);
      return getBlob(blob);
    }),
  );
  return {
    seconds: (performance.now() - startMs) / 1000,
    bytes: answers.reduce((sum, { bytes }) => sum + bytes, 0),
    firstByteMs: answers.map(({ firstByteMs }) => firstByteMs),
  };
});
