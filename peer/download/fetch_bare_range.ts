import type { ByteRange } from "../../protocol/piece_range.ts";
import { type HttpClient, HttpError, type HttpResponse } from "../../runtime/http_client.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import { PEER_PATIENCE, pieceHeaders } from "./piece_question.ts";

export interface BareRangeOptions {
  http: HttpClient;
  /** Bytes of a piece as v1 clients have them. */
  pieceSize: number;
  signal: AbortSignal;
  /** What it is for, in a trace. */
  span?: Span;
}

/**
 * Opens a stretch of a file at the supernode's copy, or at a v1 client that has the piece which it is,
 * as v1 clients ask each other for bare pieces (protocol §2); its body is still to be read.
 *
 * @throws {HttpError} where it does not give exactly that
 */
export async function fetchBareRange(
  from: { ip: string; port: number; path: string },
  range: ByteRange,
  options: BareRangeOptions,
): Promise<HttpResponse> {
  const { http, pieceSize, signal } = options;
  const response = await http.request(`http://${from.ip}:${from.port}${from.path}`, {
    headers: pieceHeaders(
      { range, piece: Math.floor(range.start / pieceSize), pieceSize, framed: false },
      options.span,
    ),
    ...PEER_PATIENCE,
    own: true,
    signal,
  });
  const length = Number(response.headers["content-length"]);
  if (response.status === 206 && length === range.end - range.start + 1) return response;
  response.body.destroy();
  throw new HttpError(
    response.status === 206
      ? `it sends ${length} bytes where ${range.end - range.start + 1} were asked for`
      : `it answers ${response.status}`,
  );
}
