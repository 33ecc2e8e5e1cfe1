import type { HttpClient, HttpResponse } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";
import type { Validators } from "../tasks/task.ts";

/** What the source says of a file to one who shows these headers. */
export type Probe =
  | {
      kind: "found";
      /** Bytes; -1 where the source does not say. */
      length: number;
      /** Whether it answers Range requests with 206. */
      acceptsRanges: boolean;
      validators: Validators;
    }
  | { kind: "refused"; status: number }
  | { kind: "unreachable"; reason: string };

export interface ProbeRequest {
  url: string;
  headers: Readonly<Record<string, string>>;
  tls?: TlsTrust | undefined;
  /** Make sure about Range requests, even where that takes a second question. */
  needRanges: boolean;
}

/** Redirects to follow: registries send blobs to object storage in one or two steps. */
export const MAX_REDIRECTS = 5;
/** Milliseconds: clients wait for this answer, and go to the source themselves when it takes long. */
const TIMEOUTS = { connectTimeoutMs: 2000, idleTimeoutMs: 10_000 };

/**
 * Asks the source how long a file is, whether this caller may have it and whether parts can be had.
 * No byte of the file is fetched where HEAD is answered, one where it is not.
 */
export async function probeSource(http: HttpClient, request: ProbeRequest): Promise<Probe> {
  try {
    // A HEAD says nothing dependable about a part of the file.
    if (!request.headers.Range) {
      const head = await ask(http, request, "HEAD", {});
      if (head.status === 401 || head.status === 407)
        return { kind: "refused", status: head.status };
      const length = contentLength(head);
      const acceptsRanges = /\bbytes\b/i.test(String(head.headers["accept-ranges"] ?? ""));
      // Some servers answer HEAD with a length of 0 whatever the file.
      if (head.status === 200 && length > 0 && (acceptsRanges || !request.needRanges))
        return { kind: "found", length, acceptsRanges, validators: validatorsOf(head) };
    }
    return await probeByGet(http, request);
  } catch (error) {
    if (error instanceof HttpError) return { kind: "unreachable", reason: error.message };
    throw error;
  }
}

async function probeByGet(http: HttpClient, request: ProbeRequest): Promise<Probe> {
  const part = request.headers.Range;
  let answer = await ask(http, request, "GET", { Range: part ?? "bytes=0-0" });
  let total = parseContentRange(answer.headers["content-range"])?.total ?? -1;
  if (answer.status === 416 && !part) {
    // An empty file has no first byte.
    answer = await ask(http, request, "GET", {});
    total = -1;
  }
  const validators = validatorsOf(answer);
  if (answer.status === 206) {
    const length = part ? contentLength(answer) : total;
    return { kind: "found", length, acceptsRanges: true, validators };
  }
  if (answer.status === 200)
    return { kind: "found", length: contentLength(answer), acceptsRanges: false, validators };
  return { kind: "refused", status: answer.status };
}

async function ask(
  http: HttpClient,
  request: ProbeRequest,
  method: string,
  more: Record<string, string>,
): Promise<HttpResponse> {
  const response = await http.request(request.url, {
    method,
    headers: { ...request.headers, ...more },
    tls: request.tls,
    maxRedirects: MAX_REDIRECTS,
    ...TIMEOUTS,
  });
  // Of a HEAD nothing more comes, and its connection can be used again.
  if (method === "HEAD") response.body.resume();
  else response.body.destroy();
  return response;
}

function contentLength(response: HttpResponse): number {
  const text = response.headers["content-length"];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
}

/** What an answer says about the version of the file. */
export function validatorsOf(response: HttpResponse): Validators {
  return {
    etag: response.headers.etag ?? "",
    lastModified: response.headers["last-modified"] ?? "",
  };
}
