import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { parseContentRange } from "../../runtime/http_range.ts";
import type { HttpHead } from "../../runtime/plain_http/http_reader.ts";
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
      const { length } = head;
      const acceptsRanges = /\bbytes\b/i.test(head.headers.get("accept-ranges") ?? "");
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
  let total = parseContentRange(answer.headers.get("content-range"))?.total ?? -1;
  if (answer.status === 416 && !part) {
    // An empty file has no first byte.
    answer = await ask(http, request, "GET", {});
    total = -1;
  }
  const validators = validatorsOf(answer);
  if (answer.status === 206) {
    const length = part ? answer.length : total;
    return { kind: "found", length, acceptsRanges: true, validators };
  }
  if (answer.status === 200)
    return { kind: "found", length: answer.length, acceptsRanges: false, validators };
  return { kind: "refused", status: answer.status };
}

function ask(
  http: HttpClient,
  request: ProbeRequest,
  method: "GET" | "HEAD",
  more: Record<string, string>,
): Promise<HttpHead> {
  const question = {
    headers: { ...request.headers, ...more },
    tls: request.tls,
    maxRedirects: MAX_REDIRECTS,
    ...TIMEOUTS,
  };
  return method === "HEAD"
    ? http.reader.head(request.url, question)
    : http.reader.peek(request.url, question);
}

/** What an answer says about the version of the file. */
export function validatorsOf({ headers }: HttpHead): Validators {
  return {
    etag: headers.get("etag") ?? "",
    lastModified: headers.get("last-modified") ?? "",
  };
}
