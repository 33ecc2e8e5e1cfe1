import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Conversation } from "./conversation.ts";

/** Longer than any answer of our programs to such requests takes, on a busy machine too. */
const PATIENCE_MS = 60_000;
/** Of an answer; blobs are thrown away. */
const KEPT_BYTES = 256 * 1024;

/** What came of a conversation. */
export interface Heard {
  /** All that the server has sent, its beginning. */
  text: string;
  /** It neither answered nor closed. */
  hung: boolean;
}

/** Has a conversation on a fresh connection. */
export async function have(
  open: () => Promise<Duplex>,
  conversation: Conversation,
): Promise<Heard> {
  const socket = await open();
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let kept = 0;
    const { bytes, ending } = conversation;
    const done = (hung: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: Buffer.concat(parts).toString("latin1"), hung });
    };
    const timer = setTimeout(() => done(true), PATIENCE_MS);
    socket.on("data", (chunk: Buffer) => {
      if (kept < KEPT_BYTES) parts.push(chunk);
      kept += chunk.length;
      if (ending === "heard") done(false);
    });
    // A server may hang up before it has read all.
    socket.on("error", () => done(false));
    socket.on("close", () => done(false));
    socket.on("end", () => {
      if (!socket.writableEnded) socket.end();
    });
    if (ending === "end") socket.end(bytes);
    else socket.write(bytes);
    if (ending === "abandon") void sleep(5).then(() => done(false));
  });
}

/** A 5xx answer, with the reason that it gives. */
export interface ServerError {
  status: number;
  reason: string;
}

/** The statuses in what a server has sent, and what it says with 5xx. */
export function answers(text: string): { count: number; errors: ServerError[] } {
  const errors: ServerError[] = [];
  let count = 0;
  for (const match of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
    const status = Number(match[1]);
    if (status >= 200) count += 1;
    if (status < 500) continue;
    const head = text.indexOf("\r\n\r\n", match.index);
    const next = text.indexOf("HTTP/1.1 ", head);
    const body = text.slice(head + 4, next < 0 ? undefined : next);
    errors.push({ status, reason: reasonIn(body) });
  }
  return { count, errors };
}

function reasonIn(body: string): string {
  const utf8 = Buffer.from(body, "latin1").toString();
  try {
    return (JSON.parse(utf8) as { message: string }).message;
  } catch {
    return utf8.replace(/^dfdaemon: /, "").trim();
  }
}
