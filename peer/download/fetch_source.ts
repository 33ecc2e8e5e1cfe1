import type { ByteRange } from "../../protocol/piece_range.ts";
import {
  type HttpClient,
  HttpError,
  type HttpResponse,
  type TlsTrust,
} from "../../runtime/http_client.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { readExactly } from "./read_exactly.ts";

/** The source answers, and says no. */
export class SourceRefusedError extends Error {
  override name = "SourceRefusedError";
  readonly status: number;
  constructor(url: string, status: number) {
    super(`failed to download from source ${redactUrl(url)}, response code:${status}`);
    this.status = status;
  }
}

/** The source answers a Range request with the whole file. */
export class RangeIgnoredError extends Error {
  override name = "RangeIgnoredError";
}

/** The source of a task, as this client may use it: with its own headers and trust. */
export interface Source {
  url: string;
  headers: Readonly<Record<string, string>>;
  tls?: TlsTrust | undefined;
}

export interface FetchSourceOptions {
  http: HttpClient;
  limiters?: readonly RateLimit[];
  signal?: AbortSignal | undefined;
}

/** Redirects a source may make: a registry sends its clients to an object store, say. */
const MAX_REDIRECTS = 10;

/**
 * Fetches a stretch of the file from the source.
 *
 * @throws {SourceRefusedError | RangeIgnoredError | HttpError | BadLengthError}
 */
export async function fetchSourceRange(
  source: Source,
  range: ByteRange,
  options: FetchSourceOptions,
): Promise<Uint8Array> {
  const response = await openSourceRange(source, range, options);
  return readExactly(response.body, range.end - range.start + 1, options.limiters);
}

/**
 * Opens a stretch of the file at the source; its body is still to be read.
 *
 * @throws {SourceRefusedError | RangeIgnoredError | HttpError}
 */
export async function openSourceRange(
  source: Source,
  range: ByteRange,
  options: FetchSourceOptions,
): Promise<HttpResponse> {
  if (Object.keys(source.headers).some((name) => name.toLowerCase() === "range")) {
    throw new RangeIgnoredError("the file itself is a range of what the URL names");
  }
  const response = await requestSource(source, options, `bytes=${range.start}-${range.end}`);
  if (response.status === 200) {
    response.body.destroy();
    throw new RangeIgnoredError(`${redactUrl(source.url)} does not do Range requests`);
  }
  const answered = parseContentRange(response.headers["content-range"]);
  if (answered?.start !== range.start || answered.end !== range.end) {
    response.body.destroy();
    throw new HttpError(`${redactUrl(source.url)} answers another range than asked for`);
  }
  return response;
}

/**
 * Opens the file at the source, from its first byte.
 *
 * @throws {SourceRefusedError | HttpError}
 */
export function openSource(source: Source, options: FetchSourceOptions): Promise<HttpResponse> {
  return requestSource(source, options, undefined);
}

async function requestSource(
  source: Source,
  options: FetchSourceOptions,
  range: string | undefined,
): Promise<HttpResponse> {
  const headers: Record<string, string> = { ...source.headers };
  if (range !== undefined) headers.range = range;
  const response = await options.http.request(source.url, {
    headers,
    tls: source.tls,
    signal: options.signal,
    maxRedirects: MAX_REDIRECTS,
  });
  const { status } = response;
  if (status !== 200 && status !== 206) {
    response.body.destroy();
    throw new SourceRefusedError(source.url, status);
  }
  return response;
}
