import { HttpError } from "./http_error.ts";
import { redactUrl } from "./redact_url.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Never sent on to another origin (RFC 9110 §15.4). */
const CREDENTIALS = new Set(["authorization", "cookie", "proxy-authorization"]);

/**
 * Where an answer sends its client to, or nothing.
 *
 * @throws {HttpError} where that is no http or https URL
 */
export function redirectOf(
  target: URL,
  status: number,
  location: string | undefined,
): URL | undefined {
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const next = new URL(location, target);
  if (next.protocol !== "http:" && next.protocol !== "https:") {
    throw new HttpError(`${redactUrl(target.href)} redirects to a ${next.protocol} URL`);
  }
  return next;
}

/** What of a request's headers goes along to where it was sent. */
export function headersAlong<Value>(
  headers: Readonly<Record<string, Value>>,
  from: URL,
  to: URL,
): Record<string, Value> {
  const sameOrigin = from.origin === to.origin;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => {
      const lower = name.toLowerCase();
      return sameOrigin || (!CREDENTIALS.has(lower) && lower !== "host");
    }),
  );
}
