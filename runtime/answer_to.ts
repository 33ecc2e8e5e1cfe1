import type { ClientRequest, IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { holdBeneath } from "./hold_beneath.ts";

/** How long an answer is waited for, and when that is over. */
export interface Waiting {
  /** Whether the connection is to be encrypted. */
  secure: boolean;
  /** Whether the handshake counts as connecting. */
  untilSecure: boolean;
  /** Milliseconds until the connection must stand. */
  connectMs: number;
  /**
   * Milliseconds without a byte, unless the reader pauses, after which the request, or its answer, fails: the
   * `timeout` that the request was made with.
   */
  idleMs: number;
  /** What the request was made with. */
  signal?: AbortSignal | undefined;
  /** Why an answer from this address is not to be used, or nothing. */
  refuse(address: string): Error | undefined;
  /** The error that a request fails with which has waited too long. */
  tooLong(reason: string): Error;
}

/**
 * Waits for the answer to a request of `node:http`, whose body the caller is about to send. While that is read it is
 * looked after still: a server that falls silent fails it.
 *
 * @throws what {@link Waiting.tooLong} and {@link Waiting.refuse} give, and what the request itself fails with
 */
export function answerTo(request: ClientRequest, waiting: Waiting): Promise<IncomingMessage> {
  const { secure, untilSecure, connectMs, idleMs, signal } = waiting;
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    // A request on a kept connection that is ended before its answer says so on Node, but on Deno to nobody.
    const end = (error: Error) => {
      settled();
      reject(error);
      // Whoever reads the answer hears it from there.
      (answer ?? request).destroy(error);
    };
    const fail = (reason: string) => end(waiting.tooLong(reason));
    const abort = () => {
      if (!answer) end(signal!.reason as Error);
    };
    const settled = () => {
      clearTimeout(connectTimer);
      signal?.removeEventListener("abort", abort);
    };
    let connectTimer: NodeJS.Timeout | undefined;
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      if (secure) socket.once("secureConnect", () => holdBeneath(socket as TLSSocket));
      let connecting = true;
      connectTimer = setTimeout(() => {
        afterReading(() => {
          if (connecting) fail(`no connection within ${connectMs} ms`);
        });
      }, connectMs);
      socket.once(untilSecure ? "secureConnect" : "connect", () => {
        connecting = false;
        clearTimeout(connectTimer);
      });
    });
    request.on("timeout", () => {
      const { socket } = request;
      const received = socket?.bytesRead;
      afterReading(() => {
        // Nothing is received while the reader has not taken what is here.
        const waits = answer !== undefined && answer.readableLength > 0;
        if (waits || socket?.bytesRead !== received) socket?.setTimeout(idleMs);
        else fail(`nothing received for ${idleMs} ms`);
      });
    });
    request.on("error", (error) => {
      settled();
      reject(error);
    });
    request.on("response", (body) => {
      settled();
      const refused = waiting.refuse(body.socket.remoteAddress ?? "");
      if (refused) {
        reject(refused);
        request.destroy();
        return;
      }
      answer = body;
      resolve(body);
    });
  });
}

/**
 * Calls back when all that has come in by now has been read. A timer that is due comes before that: in a
 * busy process what it waited for may lie there unread.
 */
function afterReading(callback: () => void): void {
  setImmediate(callback);
}
