import type { IncomingMessage, ServerResponse } from "node:http";
import { blobDigest } from "../protocol/digest.ts";
import { redactUrl } from "../runtime/redact_url.ts";
import type { BlobOptions } from "./blob.ts";
import type { HijackedConnections } from "./connect.ts";
import { isOwnEndpoint } from "./endpoints.ts";
import { forward } from "./forward.ts";
import { answerText } from "./headers.ts";
import { mirrorUpstream } from "./mirror.ts";
import { type Decision, decideMirrored, decideProxied, type Rules } from "./rules.ts";
import { tracedPull } from "./traced_pull.ts";

export interface DispatchOptions extends BlobOptions {
  rules: Rules;
  hijacked: HijackedConnections;
}

/**
 * Sends each request on its way: a hijacked or absolute one by the proxy's rules, any other to
 * dfdaemon's own endpoints or to the mirrored registry (protocol §5).
 *
 * @returns what {@link ServeOptions.onRequest} takes; `false` for the own endpoints
 */
export function createDispatcher(options: DispatchOptions) {
  return (incoming: IncomingMessage, outgoing: ServerResponse): boolean => {
    const target = incoming.url ?? "/";
    // A client that hangs up while we write is no reason to stop.
    outgoing.on("error", () => {});
    const hijacked = options.hijacked.has(incoming.socket);
    if (!hijacked && isOwnEndpoint(target)) return false;
    const decision = decide(options, incoming);
    if (!decision) {
      incoming.resume();
      answerText(outgoing, 400, "this is neither a URL to proxy nor a path to mirror");
      return true;
    }
    const { log } = options;
    const about = { method: incoming.method, url: redactUrl(decision.url) };
    log.debug("{method} {url}: {way}", { ...about, way: decision.way });
    handle(options, incoming, outgoing, decision).catch((error: Error) => {
      log.error("{method} {url}: {error}", { ...about, error: error.message });
      answerText(outgoing, 500, "internal error");
    });
    return true;
  };
}

function decide(options: DispatchOptions, incoming: IncomingMessage): Decision | undefined {
  const { rules, hijacked } = options;
  const target = incoming.url ?? "/";
  const method = incoming.method ?? "GET";
  const host = hijacked.get(incoming.socket);
  if (host && target.startsWith("/")) {
    return decideProxied(rules, method, `https://${host.authority}${target}`, host.rule);
  }
  if (/^https?:\/\//i.test(target)) {
    return URL.canParse(target) ? decideProxied(rules, method, target) : undefined;
  }
  if (!target.startsWith("/")) return undefined;
  const upstream = mirrorUpstream(rules.mirror, target);
  return upstream && decideMirrored(rules, method, upstream);
}

function handle(
  options: DispatchOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  decision: Decision,
): Promise<void> {
  if (decision.way === "p2p") return tracedPull(options, incoming, outgoing, decision);
  const isBlob = incoming.method === "GET" && blobDigest(decision.url) !== undefined;
  const onBytes = (bytes: number) => options.metrics.countBytes("registry", bytes);
  return forward(options.client, incoming, outgoing, {
    ...decision,
    ...(isBlob ? { onBytes } : {}),
    onFailure: options.metrics.countFailure,
  });
}
