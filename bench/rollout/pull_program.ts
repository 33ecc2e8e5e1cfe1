import { HttpClient } from "../../runtime/http_client.ts";
import { answerParent } from "../answer_parent.ts";
import { type BytesByOrigin, readBytes } from "../demo/node_metrics.ts";
import { type PullOptions, pullImage } from "../demo/pull_client.ts";

/** What a node's pulling client is asked. */
export type PullQuestion =
  | { kind: "answers"; url: string }
  | { kind: "pull"; pull: Omit<PullOptions, "onProgress" | "signal"> }
  | { kind: "origins"; address: string; port: number };

/** How a pull went. */
export interface Pulled {
  seconds: number;
  /** When half, and nine tenths, of the bytes were there, s. */
  halfSeconds: number;
  mostSeconds: number;
  /** The longest time for which nothing came of a blob that was asked for, s. */
  silentSeconds: number;
  /** Digests that were right, of all. */
  verified: number;
  digests: number;
}

const http = new HttpClient();

answerParent(async (question) => {
  const ask = question as PullQuestion;
  if (ask.kind === "answers") return answers(ask.url);
  if (ask.kind === "origins") return (await readBytes(ask)) satisfies BytesByOrigin;
  return pull(ask.pull);
});

/** Whether somebody answers there with 200. */
async function answers(url: string): Promise<boolean> {
  const answer = await http.text(url, { idleTimeoutMs: 2000 }).catch(() => undefined);
  return answer?.status === 200;
}

async function pull(options: PullOptions): Promise<Pulled> {
  const startMs = performance.now();
  const passed = () => (performance.now() - startMs) / 1000;
  let received = 0;
  let halfSeconds = 0;
  let mostSeconds = 0;
  const { seconds, blobs } = await pullImage({
    ...options,
    onProgress: (bytes, total) => {
      received += bytes;
      if (halfSeconds === 0 && received >= total / 2) halfSeconds = passed();
      if (mostSeconds === 0 && received >= total * 0.9) mostSeconds = passed();
    },
  });
  const verified = blobs.filter((blob) => blob.verified).length;
  const silentSeconds = Math.max(...blobs.map((blob) => blob.silentSeconds));
  return { seconds, halfSeconds, mostSeconds, silentSeconds, verified, digests: blobs.length };
}
