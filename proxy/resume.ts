import { blobDigest } from "../protocol/digest.ts";
import type { ByteRange } from "../protocol/piece_range.ts";
import type { HttpClient, HttpResponse } from "../runtime/http_client.ts";
import { HttpError } from "../runtime/http_error.ts";
import { parseContentRange } from "../runtime/http_range.ts";
import { redactUrl } from "../runtime/redact_url.ts";
import type { SourceFile, SourceRequest } from "./ask_source.ts";
import { bytesWithin } from "./bytes_within.ts";

/**
 * The bytes `range` of a file from the source itself, by a Range request; where the source knows no
 * ranges, what comes before is skipped.
 *
 * @throws {HttpError} when the source does not answer with these bytes of this file
 */
export async function* readFromSource(
  client: HttpClient,
  request: SourceRequest,
  file: SourceFile,
  range: ByteRange,
): AsyncGenerator<Uint8Array> {
  const response = await client.request(request.url, {
    headers: { ...request.headers, Range: `bytes=${range.start}-${range.end}` },
    signal: request.signal,
    tls: request.trust,
    maxRedirects: 5,
    // The pace is the client's.
    idleTimeoutMs: 0,
  });
  let position: number;
  try {
    position = startOf(response, request.url, file, range);
  } catch (error) {
    response.body.destroy();
    throw error;
  }
  yield* bytesWithin(response.body as AsyncIterable<Uint8Array>, position, range);
}

/** The file offset of the answer's first byte. */
function startOf(response: HttpResponse, url: string, file: SourceFile, range: ByteRange): number {
  const unfit = (reason: string) => new HttpError(`${redactUrl(url)}: ${reason}`);
  const { etag } = response.headers;
  // A blob named by its digest cannot change; any other file may have.
  if (!blobDigest(url) && file.etag && etag && etag !== file.etag) {
    throw unfit("the file has changed at the source");
  }
  if (response.status === 206) {
    const part = parseContentRange(response.headers["content-range"]);
    if (part?.start === range.start && (part.total === -1 || part.total === file.length))
      return part.start;
    throw unfit("the source answered with another range than asked");
  }
  if (response.status !== 200) throw unfit(`the source answered ${response.status}`);
  const length = response.headers["content-length"];
  if (length !== undefined && Number(length) !== file.length) {
    throw unfit("the file has another length at the source now");
  }
  return 0;
}
