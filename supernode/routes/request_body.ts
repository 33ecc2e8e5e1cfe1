import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";

/** Refuses bodies of more than `maxBytes`, announced or not, with 413. */
export function limitBody(maxBytes: number): MiddlewareHandler {
  return bodyLimit({
    maxSize: maxBytes,
    onError: (c) =>
      c.json({ code: 413, message: `the body is longer than ${maxBytes} bytes` }, 413),
  });
}

/** A body that cannot be read as what it should be. */
export class BodyError extends Error {
  override name = "BodyError";
}

/**
 * The body as text.
 *
 * @throws {BodyError} where it is not UTF-8
 */
export async function readText(c: Context): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await c.req.arrayBuffer());
  } catch (error) {
    throw new BodyError("the body is not UTF-8", { cause: error });
  }
}

/**
 * The body as JSON, whatever its content type says.
 *
 * @throws {BodyError} where it is none
 */
export async function readJson(c: Context): Promise<unknown> {
  const text = await readText(c);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BodyError("the body is not JSON", { cause: error });
  }
}
