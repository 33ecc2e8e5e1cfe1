import { setTimeout as sleep } from "node:timers/promises";
import type { PieceLayout } from "../../protocol/piece_range.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import type { HttpHead, HttpQuestion } from "../../runtime/plain_http/http_reader.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf } from "../../runtime/rate_limit/within_limits.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { SourceAccess, Validators } from "../tasks/task.ts";
import type { CutPiece, PieceCutter } from "./cut_pieces.ts";
import { MAX_REDIRECTS, validatorsOf } from "./probe_source.ts";

/** The source does not give the file (any more). */
export class SourceError extends Error {
  override name = "SourceError";
  /** Whether asking again may help. */
  readonly passing: boolean;
  constructor(message: string, passing: boolean) {
    super(message);
    this.passing = passing;
  }
}

/** What the source gives is not the file it began with, or not what was promised. */
export class WrongContentError extends Error {
  override name = "WrongContentError";
}

export interface FetchOptions {
  http: HttpClient;
  /** Read anew for every attempt, as `access` is: later registrants bring fresher tokens. */
  url: () => string;
  access: () => SourceAccess;
  layout: PieceLayout;
  /** Of the version that the first bytes belong to. */
  validators: Validators;
  /** Where the bytes go; may have adopted the first pieces already. */
  cutter: PieceCutter;
  /** md5s of the pieces that are on disk. */
  stored: readonly string[];
  limit: RateLimit;
  signal: AbortSignal;
  /** Resolves when more may be read than is here; `undefined`: at once. */
  mayGoOn(): Promise<void> | undefined;
  /** Keeps a piece. The next one is cut meanwhile, but not handed over. */
  onPiece(piece: CutPiece): Promise<void>;
  onBytes(bytes: number): void;
}

/** Milliseconds to wait before another attempt; a piece gained in between starts the count anew. */
const PAUSES_MS = [200, 1000, 3000];

/**
 * Fetches a file once, as a stream of pieces. Where the source breaks off it goes on from the byte
 * reached by a Range request; where the source knows no Range it starts over, and the pieces it had
 * before must come again as they were.
 *
 * @throws {SourceError | WrongContentError} and whatever `onPiece` throws
 */
export async function fetchOnce(options: FetchOptions): Promise<void> {
  let attempt = 0;
  for (;;) {
    const had = options.stored.length;
    try {
      await fetchRest(options);
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      const failure = error instanceof HttpError ? new SourceError(error.message, true) : error;
      if (!(failure instanceof SourceError)) throw failure;
      // Nothing at all has come: the clients are better off asking the source themselves.
      if (!failure.passing || (had === 0 && options.cutter.offset === 0)) throw failure;
      attempt = options.stored.length > had ? 1 : attempt + 1;
      const pauseMs = PAUSES_MS[attempt - 1];
      if (pauseMs === undefined) throw failure;
      await sleep(pauseMs, undefined, { signal: options.signal });
    }
  }
}

async function fetchRest(options: FetchOptions): Promise<void> {
  const { cutter, layout } = options;
  if (layout.length < 0 || cutter.offset < layout.length || cutter.offset === 0) {
    await options.mayGoOn();
    await readRest(options);
  }
  if (layout.length >= 0 && cutter.offset < layout.length) {
    throw new SourceError(
      `${name(options)} ended after ${cutter.offset} of ${layout.length} bytes`,
      true,
    );
  }
  const last = cutter.end();
  if (last) await keep(last, options);
}

/** Asks for what is missing, makes sure that this is what comes, and cuts it. Hot path. */
async function readRest(options: FetchOptions): Promise<void> {
  const { http, cutter, layout, limit } = options;
  const { part, question } = questionOf(options);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const bite = biteOf([limit]);
  let storing = Promise.resolve();
  const store = (piece: CutPiece): Promise<void> => {
    const before = storing;
    storing = before.then(() => keep(piece, options));
    storing.catch((error) => stop.abort(error));
    return before;
  };
  try {
    await http.reader.read(
      options.url(),
      { ...question, signal },
      {
        onHead: (head) => checkAnswer(head, options, part),
        target: () => cutter.rest.subarray(0, bite),
        onBody: (chunk) => {
          options.onBytes(chunk.byteLength);
          const waits: (Promise<unknown> | undefined)[] = [limit.pass(chunk.byteLength)];
          for (const piece of cutter.push(chunk)) waits.push(store(piece));
          if (layout.length >= 0 && cutter.offset > layout.length)
            throw new WrongContentError(`${name(options)} is longer than ${layout.length} bytes`);
          if (cutter.offset !== layout.length) waits.push(options.mayGoOn());
          const waiting = waits.filter((wait) => wait !== undefined);
          // What fails there ends the request by its signal.
          return waiting.length > 0 ? Promise.all(waiting).catch(() => {}) : undefined;
        },
      },
    );
  } finally {
    await storing;
  }
}

/** What to ask for the bytes that are missing; `part`: where the file begins that is itself a part of another. */
function questionOf(options: FetchOptions): { part: number; question: HttpQuestion } {
  const { cutter, validators } = options;
  const { headers, tls } = options.access();
  const part = /^bytes=(\d+)-(\d*)$/.exec(headers.Range?.trim() ?? "");
  const from = cutter.offset;
  const more: Record<string, string> = {};
  if (from > 0) {
    if (headers.Range && !part)
      throw new SourceError("a part of this kind cannot be resumed", false);
    more.Range = `bytes=${Number(part?.[1] ?? 0) + from}-${part?.[2] ?? ""}`;
    // A weak tag does not promise the same bytes (RFC 9110 §13.1.5).
    const condition = validators.etag.startsWith("W/") ? "" : validators.etag;
    if (condition || validators.lastModified)
      more["If-Range"] = condition || validators.lastModified;
  }
  return {
    part: Number(part?.[1] ?? 0),
    question: { headers: { ...headers, ...more }, tls, maxRedirects: MAX_REDIRECTS },
  };
}

function checkAnswer(head: HttpHead, options: FetchOptions, part: number): void {
  const { cutter, layout } = options;
  const { status } = head;
  if (status === 206) {
    const range = parseContentRange(head.headers.get("content-range"));
    if (range && range.start !== part + cutter.offset)
      throw new WrongContentError(`${name(options)} gives another part than it was asked for`);
    const { etag } = validatorsOf(head);
    if (etag && options.validators.etag && etag !== options.validators.etag)
      throw new WrongContentError(`${name(options)} has changed`);
  } else if (status === 200) {
    if (options.access().headers.Range)
      throw new SourceError(`${name(options)} gives no parts`, false);
    if (cutter.offset > 0) cutter.restart();
  } else {
    const passing = status >= 500 || status === 408 || status === 429;
    throw new SourceError(`${name(options)} answers ${status}`, passing);
  }
  const promised = head.length < 0 ? layout.length : head.length + cutter.offset;
  if (layout.length >= 0 && promised !== layout.length)
    throw new WrongContentError(`${name(options)} has ${promised} bytes, not ${layout.length}`);
}

/** Hands over a piece, or compares it where it is there already. */
async function keep(piece: CutPiece, options: FetchOptions): Promise<void> {
  const known = options.stored[piece.number];
  if (known === undefined) await options.onPiece(piece);
  else if (known !== piece.md5)
    throw new WrongContentError(`piece ${piece.number} of ${name(options)} has changed`);
  options.cutter.recycle(piece);
}

function name(options: FetchOptions): string {
  return redactUrl(options.url());
}
