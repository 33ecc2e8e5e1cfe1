import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { HttpClient, HttpResponse } from "../runtime/http_client.ts";
import { getLogger } from "../runtime/logger.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";
import { answerText, endToEndHeaders, hasBody } from "./headers.ts";
import type { Failure } from "./metrics.ts";

/** Sent again by the HTTP client itself where a kept connection was stale. */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);

const DRAIN_MS = 10_000;

const log = getLogger("dfdaemon");

export interface ForwardTarget {
  url: string;
  trust: TlsTrust | undefined;
  /** Told of every stretch of body bytes from the source. */
  onBytes?: (bytes: number) => void;
  /** Told where the client gets an error of the source's making, or no whole answer. */
  onFailure?: (failure: Failure) => void;
}

/**
 * Hands a request straight on to the source, and its answer back, both untouched but for what
 * concerns one connection only: any method, bodies streamed, redirects left to the client.
 *
 * A source that cannot be reached gives 502 with the reason; one that breaks off in mid-answer cuts
 * the client's connection, so that nobody takes the part for the whole.
 */
export async function forward(
  client: HttpClient,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: ForwardTarget,
): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  outgoing.once("close", onClose);
  if (outgoing.closed) return;
  const method = incoming.method ?? "GET";
  const withBody = hasBody(incoming);
  // We have answered `Expect: 100-continue` ourselves, and send the host of the URL.
  const headers = endToEndHeaders(incoming.rawHeaders, ["host", "expect"]);
  if (incoming.headers["transfer-encoding"] !== undefined) headers["Transfer-Encoding"] = "chunked";
  let response: HttpResponse;
  try {
    response = await client.request(target.url, {
      method,
      headers,
      body: withBody ? incoming : undefined,
      signal: gone.signal,
      tls: target.trust,
      fresh: withBody || !REPEATABLE.has(method),
      // How long an answer may take is for the client to say, as without us.
      idleTimeoutMs: 0,
    });
  } catch (error) {
    incoming.resume();
    if (gone.signal.aborted) return;
    target.onFailure?.("source_unreachable");
    log.warn("answered with 502: {error}", { error: (error as Error).message });
    answerText(outgoing, 502, (error as Error).message);
    return;
  }
  try {
    if (response.status >= 500) target.onFailure?.("source_error");
    outgoing.statusCode = response.status;
    outgoing.statusMessage = response.statusText;
    for (const [name, value] of Object.entries(endToEndHeaders(response.rawHeaders))) {
      outgoing.setHeader(name, value);
    }
    outgoing.flushHeaders();
    const end = !withBody;
    const { onBytes } = target;
    // A second listener costs less than a stream in between, and is held back by the same pauses.
    if (onBytes) response.body.on("data", (chunk: Uint8Array) => onBytes(chunk.byteLength));
    response.body.once("error", () => {
      if (!gone.signal.aborted) target.onFailure?.("broken_off");
    });
    await pipeline(response.body, outgoing, { end });
    if (withBody) {
      await drain(incoming, gone.signal);
      outgoing.end();
    }
  } catch {
    // Either side broke off: the other must see that, too.
    response.body.destroy();
    outgoing.destroy();
  } finally {
    outgoing.off("close", onClose);
  }
}

/**
 * Lets the client finish sending what nobody wants any more: an answer may come before the request's
 * body is through, and hanging up then would cost many a client that answer.
 */
async function drain(incoming: IncomingMessage, gone: AbortSignal): Promise<void> {
  if (incoming.readableEnded) return;
  incoming.unpipe().resume();
  const signal = AbortSignal.any([gone, AbortSignal.timeout(DRAIN_MS)]);
  await once(incoming, "end", { signal }).catch(() => {});
}
