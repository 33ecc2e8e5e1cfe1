import { answerParent } from "../answer_parent.ts";
import { type BlobQuestion, getBlob } from "./blob_client.ts";

/** What the clients' program is asked: to get all these blobs at once. */
export interface ClientsQuestion {
  blobs: BlobQuestion[];
}

export interface ClientsAnswer {
  seconds: number;
  bytes: number;
}

answerParent(async (question): Promise<ClientsAnswer> => {
  const { blobs } = question as ClientsQuestion;
  const startMs = performance.now();
  const answers = await Promise.all(blobs.map((blob) => getBlob(blob)));
  return {
    seconds: (performance.now() - startMs) / 1000,
    bytes: answers.reduce((sum, { bytes }) => sum + bytes, 0),
  };
});
