import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { Counter, Histogram, type Registry } from "prom-client";
import type { ConnectionEnv } from "../runtime/serve.ts";

/** 100 B to 1 GB, as v1 has them. */
const SIZE_BUCKETS = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/** v1's, and finer ones below its first of 0.1 s. */
const SECONDS_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120];

/**
 * Counts and measures requests under v1's names (protocol §7), by the pattern of the route that
 * answered them; unknown paths do not count.
 *
 * @param prefix of the metrics' names
 */
export function httpMetrics(
  registry: Registry,
  prefix: string,
): MiddlewareHandler<{ Bindings: Partial<ConnectionEnv> }> {
  const requests = new Counter({
    name: `${prefix}http_requests_total`,
    help: "HTTP requests",
    labelNames: ["code", "handler"],
    registers: [registry],
  });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({
      name: prefix + name,
      help,
      labelNames: ["handler"],
      buckets,
      registers: [registry],
    });
  const seconds = histogram(
    "http_request_duration_seconds",
    "Seconds from a request to its answer",
    SECONDS_BUCKETS,
  );
  const requestBytes = histogram("http_request_size_bytes", "Bytes of requests", SIZE_BUCKETS);
  const responseBytes = histogram("http_response_size_bytes", "Bytes of answers", SIZE_BUCKETS);

  return async (c, next) => {
    const startMs = performance.now();
    const { incoming, outgoing } = c.env ?? {};
    const socket = incoming?.socket;
    const writtenBefore = socket?.bytesWritten ?? 0;
    await next();
    const handler = handlerName(matchedRoutes(c).map((route) => route.path));
    if (handler === undefined) return;
    requests.inc({ code: c.res.status, handler });
    seconds.observe({ handler }, (performance.now() - startMs) / 1000);
    if (!incoming || !outgoing || !socket) return;
    const head = incoming.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
    const body = Number(incoming.headers["content-length"] ?? 0);
    requestBytes.observe({ handler }, (incoming.url?.length ?? 0) + head + body);
    // Bodies are streams: what they came to is known when they are out.
    outgoing.once("close", () => {
      responseBytes.observe({ handler }, Math.max(0, socket.bytesWritten - writtenBefore));
    });
  };
}

/** Names by the pattern of the route. */
const names = new Map<string, string>();

/**
 * v1's name of a route: `/api/v1/peers/{id}`, and `/_ping` also for `/v1.0/_ping`; `undefined` where
 * only middleware matched.
 */
function handlerName(paths: readonly string[]): string | undefined {
  const path = paths.findLast((candidate) => !candidate.includes("*"));
  if (path === undefined) return undefined;
  let name = names.get(path);
  if (name === undefined) names.set(path, (name = nameOf(path)));
  return name;
}

function nameOf(path: string): string {
  return path
    .replace(/^\/:\w+\{[^/]*\}(?=\/)/, "")
    .replace(/^\/api\/v1(?=\/preheats)/, "")
    .replace(/:(\w+)(\{[^/]*\})?/g, "{$1}");
}
