import type { IncomingMessage } from "node:http";
import type { Context } from "hono";
import { hasSignedBody } from "../../runtime/links/shared_secret.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";

/** A body that cannot be taken, and the status that says so. */
export class BodyError extends Error {
  override name = "BodyError";
  readonly status: 400 | 413;
  constructor(message: string, status: 400 | 413 = 400) {
    super(message);
    this.status = status;
  }
}

/**
 * Bytes of an overlong body that are read and thrown away, so that its sender is ready to hear the
 * answer; with more, the connection is cut.
 */
const DISCARD_BYTES = 64 * 1024 * 1024;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The body as text, of at most `maxBytes`.
 *
 * @throws {BodyError} where it is longer, not UTF-8, or not what the request's signature says
 */
export async function readText(c: Context, maxBytes: number): Promise<string> {
  const bytes = new BodyBytes(maxBytes);
  const { incoming } = (c.env ?? {}) as Partial<ConnectionEnv>;
  if (incoming) await readAll(incoming, bytes);
  else {
    for await (const chunk of (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>)
      if (!bytes.add(chunk)) break;
  }
  if (bytes.total > maxBytes) throw new BodyError(`the body is longer than ${maxBytes} bytes`, 413);
  const body = bytes.joined;
  if (incoming && !hasSignedBody(incoming, body))
    throw new BodyError("the body is not the one that was signed");
  try {
    return UTF8.decode(body);
  } catch {
    throw new BodyError("the body is not UTF-8");
  }
}

/** What has come of a body, as far as it may be kept. */
class BodyBytes {
  total = 0;
  readonly #most: number;
  readonly #chunks: Uint8Array[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns whether to read on */
  add(chunk: Uint8Array): boolean {
    this.total += chunk.byteLength;
    if (this.total <= this.#most) this.#chunks.push(chunk);
    return this.total <= Math.max(this.#most, DISCARD_BYTES);
  }

  get joined(): Uint8Array {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }
}

/**
 * Reads a request by its events: a web stream around it would cost more than all else that a request does, and
 * reading it as an asynchronous iterable 3 % of the work on a registration.
 */
function readAll(incoming: IncomingMessage, bytes: BodyBytes): Promise<void> {
  if (incoming.readableEnded) return Promise.resolve();
  return new Promise((resolve, reject) => {
    // Every request closes in the end: an error that nobody hears of costs as much as a tenth of its work.
    const cutOff = () => incoming.readableEnded || reject(new BodyError("the body broke off"));
    if (incoming.destroyed) cutOff();
    incoming.on("data", (chunk: Uint8Array) => {
      if (bytes.add(chunk)) return;
      resolve();
      incoming.destroy();
    });
    incoming.once("end", resolve);
    incoming.once("error", cutOff);
    incoming.once("close", cutOff);
  });
}

/**
 * The body as JSON, whatever its content type says.
 *
 * @throws {BodyError} where it is too long, or no JSON
 */
export async function readJson(c: Context, maxBytes: number): Promise<unknown> {
  const text = await readText(c, maxBytes);
  try {
    return JSON.parse(text);
  } catch {
    throw new BodyError("the body is not JSON");
  }
}
