import type { ByteRange } from "../../protocol/piece_range.ts";
import type { HttpClient, HttpResponse } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import type { HttpHead } from "../../runtime/plain_http/http_reader.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf, withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";
import { FixedBody } from "./fixed_body.ts";

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
  /** Milliseconds without a byte after which an answer is given up. */
  idleTimeoutMs?: number | undefined;
  /** Told whenever bytes of the file come. */
  onBytes?: (() => void) | undefined;
}

/** Redirects a source may make: a registry sends its clients to an object store, say. */
const MAX_REDIRECTS = 10;

/**
 * Fetches a stretch of the file from the source.
 *
 * @returns one of the content buffers
 * @throws {SourceRefusedError | RangeIgnoredError | HttpError | BadLengthError}
 */
export async function fetchSourceRange(
  source: Source,
  range: ByteRange,
  options: FetchSourceOptions,
): Promise<Uint8Array> {
  const { limiters, onBytes } = options;
  const into = new FixedBody(range.end - range.start + 1);
  const bite = biteOf(limiters);
  const reader: BodyReader = {
    target: () => into.rest.subarray(0, bite),
    onBody: (chunk) => {
      into.add(chunk);
      onBytes?.();
      return withinLimits(chunk.byteLength, limiters);
    },
  };
  try {
    await readSourceRange(source, range, reader, options);
    into.end();
  } catch (error) {
    into.drop();
    throw error;
  }
  return into.bytes;
}

/**
 * Reads a stretch of the file from the source. Hot path.
 *
 * @throws {SourceRefusedError | RangeIgnoredError | HttpError}, and what the reader throws
 */
export async function readSourceRange(
  source: Source,
  range: ByteRange,
  reader: BodyReader,
  options: FetchSourceOptions,
): Promise<void> {
  if (Object.keys(source.headers).some((name) => name.toLowerCase() === "range")) {
    throw new RangeIgnoredError("the file itself is a range of what the URL names");
  }
  const question = {
    headers: { ...source.headers, range: `bytes=${range.start}-${range.end}` },
    tls: source.tls,
    signal: options.signal,
    maxRedirects: MAX_REDIRECTS,
    ...(options.idleTimeoutMs ? { idleTimeoutMs: options.idleTimeoutMs } : {}),
  };
  const onHead = ({ status, headers }: HttpHead) => {
    if (status === 200) {
      throw new RangeIgnoredError(`${redactUrl(source.url)} does not do Range requests`);
    }
    if (status !== 206) throw new SourceRefusedError(source.url, status);
    const answered = parseContentRange(headers.get("content-range"));
    if (answered?.start !== range.start || answered.end !== range.end) {
      throw new HttpError(`${redactUrl(source.url)} answers another range than asked for`);
    }
  };
  await options.http.reader.read(source.url, question, { ...reader, onHead });
}

/**
 * Opens the file at the source, from its first byte.
 *
 * @throws {SourceRefusedError | HttpError}
 */
export async function openSource(
  source: Source,
  options: FetchSourceOptions,
): Promise<HttpResponse> {
  const response = await options.http.request(source.url, {
    headers: source.headers,
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
