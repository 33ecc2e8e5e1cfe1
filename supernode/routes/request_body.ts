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

/**
 * The body as text, of at most `maxBytes`.
 *
 * @throws {BodyError} where it is longer, not UTF-8, or not what the request's signature says
 */
export async function readText(c: Context, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  // A web stream around the connection's own would cost more than all else that a request does.
  const { incoming } = (c.env ?? {}) as Partial<ConnectionEnv>;
  for await (const chunk of (incoming ?? c.req.raw.body ?? []) as AsyncIterable<Uint8Array>) {
    total += chunk.byteLength;
    if (total <= maxBytes) chunks.push(chunk);
    else if (total > DISCARD_BYTES) break;
  }
  if (total > maxBytes) throw new BodyError(`the body is longer than ${maxBytes} bytes`, 413);
  const body = Buffer.concat(chunks);
  if (incoming && !hasSignedBody(incoming, body))
    throw new BodyError("the body is not the one that was signed");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new BodyError("the body is not UTF-8");
  }
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
