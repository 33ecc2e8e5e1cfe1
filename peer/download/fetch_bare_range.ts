import type { ByteRange } from "../../protocol/piece_range.ts";
import { type HttpClient, HttpError, type HttpResponse } from "../../runtime/http_client.ts";
import { VERSION } from "../../runtime/version.ts";

/** Milliseconds for a connection to a peer or the supernode: they are near. */
const CONNECT_MS = 1500;
/** Milliseconds without a byte after which it counts as gone. */
const IDLE_MS = 5000;

export interface BareRangeOptions {
  http: HttpClient;
  /** Bytes of a piece as v1 clients have them. */
  pieceSize: number;
  signal: AbortSignal;
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
    headers: {
      range: `bytes=${range.start}-${range.end}`,
      pieceNum: String(Math.floor(range.start / pieceSize)),
      pieceSize: String(pieceSize),
      "user-agent": `dfget/${VERSION}`,
      cdnSource: "source",
    },
    connectTimeoutMs: CONNECT_MS,
    idleTimeoutMs: IDLE_MS,
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
