import type { IncomingMessage, ServerResponse } from "node:http";
import { blobDigest, formatDigest } from "../protocol/digest.ts";
import { redactUrl } from "../runtime/redact_url.ts";
import { inSpan, type SpanOptions, traceparentOf } from "../runtime/tracing/tracing.ts";
import { type BlobOptions, serveBlob } from "./blob.ts";
import type { Decision } from "./rules.ts";

/**
 * {@link serveBlob} within a span, from which the trace of a pull goes on over supernode and neighbours to the
 * registry. It joins the trace of the client, where that has one.
 */
export async function tracedPull(
  options: BlobOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  decision: Decision,
): Promise<void> {
  const digest = blobDigest(decision.url);
  const about: SpanOptions = {
    kind: "server",
    parent: traceparentOf(incoming.headers),
    attributes: {
      "url.full": redactUrl(decision.url),
      "server.address": new URL(decision.url).host,
      "dragonfly.digest": digest && formatDigest(digest),
    },
  };
  await inSpan("pull blob", about, async (span) => {
    await serveBlob(options, incoming, outgoing, decision, span);
    span.set({ "http.response.status_code": outgoing.statusCode });
  });
}
