import { Hono } from "hono";
import { goArchitecture, runtimeName, VERSION } from "../../runtime/version.ts";

export interface SystemOptions {
  /** The metrics in Prometheus' text form. */
  metrics: { contentType: string; text(): Promise<string> };
  /** Why no work should be sent here now; `undefined`: it may be. */
  notReady(): string | undefined;
  /** What to say beside that it is ready. */
  remark?(): Promise<string | undefined>;
  /** Whether `/debug/pprof` answers (v1: only with `enableProfiler` or `debug`). */
  profiler: boolean;
}

/** Spelled as v1 spells it. */
const PLAIN = { "content-type": "text/plain; charset=utf-8" };

/** Liveness, build info, metrics (protocol §1), to be mounted also under `/v1.0` and the like. */
export function systemRoutes(options: SystemOptions): Hono {
  const app = new Hono();

  app.get("/_ping", (c) => c.text("OK", 200, PLAIN));

  // v1 sends this JSON as plain text.
  app.get("/version", (c) =>
    c.text(
      JSON.stringify({
        Version: VERSION,
        GoVersion: runtimeName(),
        OS: process.platform,
        Arch: goArchitecture(),
      }),
      200,
      PLAIN,
    ),
  );

  app.get("/metrics", async (c) =>
    c.body(await options.metrics.text(), 200, { "content-type": options.metrics.contentType }),
  );

  app.get("/healthz", (c) => c.text("OK"));

  app.get("/readyz", async (c) => {
    const reason = options.notReady();
    if (reason !== undefined) return c.text(`${reason}\n`, 503);
    const remark = await options.remark?.();
    return c.text(remark === undefined ? "OK" : `OK\n${remark}\n`);
  });

  if (options.profiler) {
    app.get("/debug/pprof/*", (c) =>
      c.text(
        `no Go profiles here: this supernode runs on ${runtimeName()}; start it with --inspect, or with --cpu-prof, and use that runtime's tools\n`,
        501,
      ),
    );
  }
  return app;
}
