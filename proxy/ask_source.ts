import type { HttpClient } from "../runtime/http_client.ts";
import { parseContentRange } from "../runtime/http_range.ts";
import type { HttpHead, HttpQuestion } from "../runtime/plain_http/http_reader.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";
import { endToEndHeaders, type HeaderMap } from "./headers.ts";
import type { FallbackReason } from "./metrics.ts";

/** What stands between the registry and its object storage, at most. */
const MAX_REDIRECTS = 5;

/** A blob as the source describes it, to this client. */
export interface SourceFile {
  length: number;
  /** To be handed on: type, digest, validators, and whatever else the source says. */
  headers: HeaderMap;
  etag: string | undefined;
}

export interface SourceRequest {
  url: string;
  trust: TlsTrust | undefined;
  /** The client's own, its credentials among them. */
  headers: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/**
 * Asks the source about a blob with the client's own credentials: only to whom the source would give
 * it do we give it, from wherever. Redirects are followed, without credentials to another host.
 *
 * @returns the file, or why it is better left to the source itself
 */
export async function askSource(
  client: HttpClient,
  request: SourceRequest,
): Promise<SourceFile | FallbackReason> {
  try {
    const question = questionOf(request);
    const head = await client.reader.head(request.url, question);
    if (head.status === 200) return describe(head, head.length);
    if (!mayRefuseOnlyHead(head, request.url)) return "source_refused";
    const headers = { ...question.headers, range: "bytes=0-0" };
    const probe = await client.reader.peek(request.url, { ...question, headers });
    if (probe.status === 200) return describe(probe, probe.length);
    if (probe.status !== 206) return "source_refused";
    return describe(probe, parseContentRange(probe.headers.get("content-range"))?.total ?? -1);
  } catch {
    return "source_unreachable";
  }
}

function questionOf({ headers, trust, signal }: SourceRequest): HttpQuestion {
  return { headers, tls: trust, signal, maxRedirects: MAX_REDIRECTS };
}

/** Signed URLs of object storages are often good for GET alone: 403 there says nothing of rights. */
function mayRefuseOnlyHead(response: HttpHead, url: string): boolean {
  if (response.status === 405 || response.status === 501) return true;
  return response.status === 403 && new URL(response.url).host !== new URL(url).host;
}

function describe(head: HttpHead, length: number): SourceFile | FallbackReason {
  // A packed answer has other bytes than the file.
  if (head.headers.has("content-encoding") || !Number.isSafeInteger(length) || length < 0)
    return "no_length";
  if (length === 0) return "empty";
  return {
    length,
    headers: endToEndHeaders(head.raw, ["content-length", "content-range", "accept-ranges"]),
    etag: head.headers.get("etag"),
  };
}
