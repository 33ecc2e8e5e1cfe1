import type { Server } from "node:net";
import { deno } from "./deno.ts";

/** Milliseconds between two calls: so long does a client wait, at most, once there are descriptors again. */
const CALL_MS = 3000;

/**
 * Has a server that listens go on accepting after there was no descriptor for a connection, as it does by itself on
 * Node.
 *
 * Deno (2.9.0 to 2.9.6) takes an `accept` that failed for one that found nobody, and then nothing wakes this listener
 * any more: connections lie unaccepted for ever, and no event tells. (The loop that drops the failure came by
 * denoland/deno#32943, that a listener is looked at only when it was woken by denoland/deno#33349.) To listen once
 * more where it listens has Deno look at it: no call to the system, and port and waiting connections stay. Nothing
 * that `node:net` documents does that.
 *
 * @param backlog as it listens by
 */
export function keepAccepting(server: Server, backlog: number): void {
  if (!deno) return;
  const listening = server as unknown as { _handle?: { listen?(backlog: number): number } | null };
  // Closed, it has no handle, while connections may still go on.
  const call = setInterval(() => listening._handle?.listen?.(backlog), CALL_MS).unref();
  server.once("close", () => clearInterval(call));
}
