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
  const { secure, untilSecure, connectMs, idleMs } = waiting;
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    // Whoever reads the answer hears it from there.
    const fail = (reason: string) => (answer ?? request).destroy(waiting.tooLong(reason));
    let connectTimer: NodeJS.Timeout | undefined;
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
      clearTimeout(connectTimer);
      reject(error);
    });
    request.on("response", (body) => {
      clearTimeout(connectTimer);
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
