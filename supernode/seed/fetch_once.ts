import { setTimeout as sleep } from "node:timers/promises";
import type { PieceLayout } from "../../protocol/piece_range.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import { isPassingStatus } from "../../runtime/passing_status.ts";
import type { HttpHead, HttpQuestion } from "../../runtime/plain_http/http_reader.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf } from "../../runtime/rate_limit/within_limits.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { SourceAccess, Validators } from "../tasks/task.ts";
import type { CutPiece, PieceCutter, PiecePart } from "./cut_pieces.ts";
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
  /** Sums of the pieces that are on disk. */
  stored: readonly string[];
  limit: RateLimit;
  signal: AbortSignal;
  /** Resolves when more may be read than is here, with up to which byte of the file; `Infinity`: to its end. */
  mayGoOn(): Promise<number>;
  /** Keeps a piece. The next one is cut meanwhile, but not handed over. */
  onPiece(piece: CutPiece): Promise<void>;
  /** Told after each read; all pieces that were cut are kept where it is asked to keep a part of the next one. */
  onBytes(bytes: number): void;
  /** Keeps the part of the next piece that is here; absent: a piece is kept when all of it is here. */
  onPart?: ((part: PiecePart) => Promise<void>) | undefined;
}

/** A part of a piece is kept when so many bytes more of it are here. */
const PART_BYTES = 256 * 1024;
/** Milliseconds to wait before another attempt; a piece gained in between starts the count anew. */
const PAUSES_MS = [200, 1000, 3000];
/** Milliseconds without a byte after which it is asked for the rest. */
const STILL_MS = 10_000;

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
  // An empty file is asked for, too: the source must agree to give it.
  while (layout.length < 0 || cutter.offset < layout.length || cutter.offset === 0) {
    const upTo = await options.mayGoOn();
    const end = layout.length >= 0 && upTo < layout.length ? upTo : undefined;
    await readRest(end, options);
    if (end !== undefined && cutter.offset === end) continue;
    if (layout.length >= 0 && cutter.offset < layout.length) {
      throw new SourceError(
        `${name(options)} ended after ${cutter.offset} of ${layout.length} bytes`,
        true,
      );
    }
    break;
  }
  const last = cutter.end();
  if (last) await keep(last, options);
}

/**
 * Asks for what is missing up to a byte, makes sure that this is what comes, and cuts it; of a source that gives all or
 * nothing, to the end. Hot path.
 *
 * @param end absent: to the end. The source is asked for no more: what it sends lies in the system's buffers, and is
 *   lost with this program, whether it has been read or not
 */
async function readRest(end: number | undefined, options: FetchOptions): Promise<void> {
  const { http, cutter, layout, limit, onPart } = options;
  const { part, question } = questionOf(options, end);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const bite = biteOf([limit]);
  let isWhole = false;
  let upTo = end ?? Number.POSITIVE_INFINITY;
  let partAt = cutter.offset;
  let passing: Promise<unknown> | undefined;
  let storing = Promise.resolve();
  const store = (work: () => Promise<void>) => {
    storing = storing.then(work);
    storing.catch((error) => stop.abort(error));
  };
  const goOn = async () => {
    upTo = await options.mayGoOn();
  };
  try {
    await http.reader.read(
      options.url(),
      { ...question, signal },
      {
        onHead: (head) => {
          checkAnswer(head, options, part, end);
          isWhole = head.status === 200;
          partAt = cutter.offset;
        },
        target: () => cutter.rest.subarray(0, bite),
        onBody: (chunk) => {
          options.onBytes(chunk.byteLength);
          passing = limit.pass(chunk.byteLength);
          const waits: (Promise<unknown> | undefined)[] = [passing];
          for (const piece of cutter.push(chunk)) {
            waits.push(storing);
            store(() => keep(piece, options));
          }
          if (layout.length >= 0 && cutter.offset > layout.length)
            throw new WrongContentError(`${name(options)} is longer than ${layout.length} bytes`);
          if (onPart && (cutter.offset - partAt >= PART_BYTES || cutter.offset >= upTo)) {
            const came = cutter.part();
            partAt = cutter.offset;
            store(() => onPart(came));
            waits.push(storing);
          }
          if (isWhole && cutter.offset >= upTo && cutter.offset !== layout.length)
            waits.push(goOn());
          const waiting = waits.filter((wait) => wait !== undefined);
          // What fails there ends the request by its signal.
          return waiting.length > 0 ? Promise.all(waiting).catch(() => {}) : undefined;
        },
      },
    );
    // An answer is over with its last byte: a short one would never wait.
    await passing;
  } finally {
    await storing;
  }
}

/**
 * What to ask for the bytes that are missing; `part`: where the file begins that is itself a part of another.
 *
 * @param end byte of the file that is not asked for any more; absent: all that is missing is
 */
function questionOf(
  options: FetchOptions,
  end: number | undefined,
): { part: number; question: HttpQuestion } {
  const { cutter, validators } = options;
  const { headers, tls } = options.access();
  const part = /^bytes=(\d+)-(\d*)$/.exec(headers.Range?.trim() ?? "");
  const from = cutter.offset;
  const more: Record<string, string> = {};
  const start = Number(part?.[1] ?? 0);
  if (from > 0 || (end !== undefined && (!headers.Range || part))) {
    if (headers.Range && !part)
      throw new SourceError("a part of this kind cannot be resumed", false);
    more.Range = `bytes=${start + from}-${end === undefined ? (part?.[2] ?? "") : start + end - 1}`;
    // A weak tag does not promise the same bytes (RFC 9110 §13.1.5).
    const condition = validators.etag.startsWith("W/") ? "" : validators.etag;
    if (condition || validators.lastModified)
      more["If-Range"] = condition || validators.lastModified;
  }
  return {
    part: start,
    question: {
      headers: { ...headers, ...more },
      tls,
      maxRedirects: MAX_REDIRECTS,
      idleTimeoutMs: STILL_MS,
    },
  };
}

function checkAnswer(
  head: HttpHead,
  options: FetchOptions,
  part: number,
  end: number | undefined,
): void {
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
    throw new SourceError(`${name(options)} answers ${status}`, isPassingStatus(status));
  }
  const promised = head.length < 0 ? layout.length : head.length + cutter.offset;
  const isPart = end !== undefined && status === 206 && promised === end;
  if (layout.length >= 0 && promised !== layout.length && !isPart)
    throw new WrongContentError(`${name(options)} has ${promised} bytes, not ${layout.length}`);
}

/** Hands over a piece, or compares it where it is there already. */
async function keep(piece: CutPiece, options: FetchOptions): Promise<void> {
  const known = options.stored[piece.number];
  if (known === undefined) await options.onPiece(piece);
  else if (known !== piece.sum)
    throw new WrongContentError(`piece ${piece.number} of ${name(options)} has changed`);
  options.cutter.recycle(piece);
}

function name(options: FetchOptions): string {
  return redactUrl(options.url());
}
