import type { ByteRange } from "../../protocol/piece_range.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import { PEER_PATIENCE, pieceHeaders } from "./piece_question.ts";

/** Milliseconds without a byte after which a copy counts as gone that sends what it gets, as it gets it. */
const GROWING_IDLE_MS = 20_000;

export interface BareRangeOptions {
  http: HttpClient;
  /** Bytes of a piece as v1 clients have them. */
  pieceSize: number;
  signal: AbortSignal;
  /** What it is for, in a trace. */
  span?: Span;
}

/**
 * Reads a stretch of a file from the supernode's copy, or from a v1 client that has the piece which it is,
 * as v1 clients ask each other for bare pieces (protocol §2).
 *
 * @throws {HttpError} where it does not give exactly that, {PlainHttpError | BadResponseError}, and what the reader throws
 */
export function readBareRange(
  from: { ip: string; port: number; path: string; elseSource?: boolean | undefined },
  range: ByteRange,
  reader: BodyReader,
  options: BareRangeOptions,
): Promise<void> {
  const { http, pieceSize, signal, span } = options;
  const question = { range, piece: Math.floor(range.start / pieceSize), pieceSize, framed: false };
  const wanted = range.end - range.start + 1;
  return http.plain.get(
    { host: from.ip, port: from.port },
    {
      path: from.path,
      headers: pieceHeaders(question, span),
      ...PEER_PATIENCE,
      ...(from.elseSource ? { idleTimeoutMs: GROWING_IDLE_MS } : {}),
      signal,
      onHead: ({ status, length }) => {
        if (status !== 206) throw new HttpError(`it answers ${status}`);
        if (length !== wanted)
          throw new HttpError(`it sends ${length} bytes where ${wanted} were asked for`);
      },
      ...reader,
    },
  );
}
