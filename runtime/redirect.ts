import { HttpError } from "./http_error.ts";
import { redactUrl } from "./redact_url.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Never sent on to another origin (RFC 9110 §15.4): the usual ones, and what sites call their own. */
const CREDENTIALS =
  /authori[sz]ation|cookie|token|secret|api-?key|password|credential|session|^x-.*(auth|key)/;

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

/** What a client asks with, and how far it lets itself be sent on. */
export interface Following<Value> {
  headers?: Readonly<Record<string, Value>>;
  /** Redirects to follow at most. Default: 0. */
  maxRedirects?: number;
}

/**
 * Asks a URL, and where it sends us to, until there is an answer. Credentials stay with their origin.
 *
 * @param ask gives the answer of one URL; or, where we may follow, where it sends us to ({@link redirectOf})
 */
export async function followRedirects<Value, Answer>(
  url: string,
  following: Following<Value>,
  ask: (target: URL, headers: Record<string, Value>, mayFollow: boolean) => Promise<Answer | URL>,
): Promise<Answer> {
  let target = new URL(url);
  let headers = { ...following.headers };
  for (let left = following.maxRedirects ?? 0; ; left--) {
    const answer = await ask(target, headers, left > 0);
    if (!(answer instanceof URL)) return answer;
    headers = headersAlong(headers, target, answer);
    target = answer;
  }
}

/** What of a request's headers goes along to where it was sent. */
function headersAlong<Value>(
  headers: Readonly<Record<string, Value>>,
  from: URL,
  to: URL,
): Record<string, Value> {
  const sameOrigin = from.origin === to.origin;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => {
      const lower = name.toLowerCase();
      return sameOrigin || (!CREDENTIALS.test(lower) && lower !== "host");
    }),
  );
}
