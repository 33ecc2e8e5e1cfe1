import { Hono } from "hono";
import { redactUrl } from "../runtime/redact_url.ts";
import { answerUnknownPaths } from "../runtime/unknown_paths.ts";
import { runtimeName, VERSION } from "../runtime/version.ts";
import type { ProxyMetrics } from "./metrics.ts";

const PATHS = ["/args", "/debug/version", "/env", "/healthz", "/metrics", "/readyz"];
/** Variables whose values tell nothing that is secret. */
const HARMLESS = /^(HOME|LANG|LC_\w+|LOGNAME|PATH|PWD|SHELL|TERM|TZ|USER|HOSTNAME|NODE_ENV)$/;

/** Whether dfdaemon itself answers at this path (and query), and not the mirrored registry. */
export function isOwnEndpoint(target: string): boolean {
  return PATHS.includes(target.split("?", 1)[0]!);
}

export interface EndpointOptions {
  metrics: ProxyMetrics;
  /** Why no work should be sent here now; `undefined`: it may be. */
  notReady(): Promise<string | undefined>;
  /** Where other nodes reach the peer's server, where there is one. */
  peer: { ip: string; port: number } | undefined;
  /** Command line and environment to show. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

/** What dfdaemon answers itself: metrics, health, and what it was started with, without secrets. */
export function createEndpoints(options: EndpointOptions): Hono {
  const { peer } = options;
  const { registry } = options.metrics;
  const app = new Hono();
  app.get("/metrics", async (c) =>
    c.body(await registry.metrics(), 200, { "Content-Type": registry.contentType }),
  );
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", async (c) => {
    const reason = await options.notReady();
    return reason === undefined ? c.text("ok\n") : c.text(`${reason}\n`, 503);
  });
  app.get("/debug/version", (c) =>
    c.json({
      Version: VERSION,
      Runtime: runtimeName(),
      ...(peer && { Peer: { ip: peer.ip, port: peer.port } }),
    }),
  );
  app.get("/args", (c) => c.text(`${options.args.map(redactArgument).join(" ")}\n`));
  app.get("/env", (c) => c.text(`${describeEnvironment(options.env).join("\n")}\n`));
  answerUnknownPaths(app);
  return app;
}

function redactArgument(argument: string): string {
  return argument.replace(/https?:\/\/\S+/g, redactUrl);
}

function describeEnvironment(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${HARMLESS.test(name) ? value : "(hidden)"}`)
    .sort();
}
