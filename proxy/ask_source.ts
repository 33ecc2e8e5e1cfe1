import type { HttpClient, HttpResponse, TlsTrust } from "../runtime/http_client.ts";
import { parseContentRange } from "../runtime/http_range.ts";
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
    const head = await ask(client, request, "HEAD");
    if (head.status === 200) return describe(head, Number(head.headers["content-length"] ?? -1));
    if (!mayRefuseOnlyHead(head, request.url)) return "source_refused";
    const probe = await ask(client, request, "GET", { Range: "bytes=0-0" });
    if (probe.status === 200) return describe(probe, Number(probe.headers["content-length"] ?? -1));
    if (probe.status !== 206) return "source_refused";
    return describe(probe, parseContentRange(probe.headers["content-range"])?.total ?? -1);
  } catch {
    return "source_unreachable";
  }
}

async function ask(
  client: HttpClient,
  request: SourceRequest,
  method: "HEAD" | "GET",
  extra: Record<string, string> = {},
): Promise<HttpResponse> {
  const response = await client.request(request.url, {
    method,
    headers: { ...request.headers, ...extra },
    signal: request.signal,
    tls: request.trust,
    maxRedirects: MAX_REDIRECTS,
  });
  // Only the head is wanted; a body that runs on is cut.
  if (method === "HEAD" || response.status === 206) response.body.resume();
  else response.body.destroy();
  response.body.on("error", () => {});
  return response;
}

/** Signed URLs of object storages are often good for GET alone: 403 there says nothing of rights. */
function mayRefuseOnlyHead(response: HttpResponse, url: string): boolean {
  if (response.status === 405 || response.status === 501) return true;
  return response.status === 403 && new URL(response.url).host !== new URL(url).host;
}

function describe(response: HttpResponse, length: number): SourceFile | FallbackReason {
  // A packed answer has other bytes than the file.
  if (response.headers["content-encoding"] || !Number.isSafeInteger(length) || length < 0)
    return "no_length";
  if (length === 0) return "empty";
  return {
    length,
    headers: endToEndHeaders(response.rawHeaders, [
      "content-length",
      "content-range",
      "accept-ranges",
    ]),
    etag: response.headers.etag,
  };
}
