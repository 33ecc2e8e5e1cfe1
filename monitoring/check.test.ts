import { Hono } from "hono";
import { afterEach, expect, it } from "vitest";
import { cleanUp, defer, startTestProxy } from "../proxy/testing.ts";
import { serve } from "../runtime/serve.ts";
import { SupernodeMetrics } from "../supernode/metrics.ts";
import { systemRoutes } from "../supernode/routes/system.ts";
import { type CheckedProgram, check } from "./check.ts";
import { PROGRAMS } from "./programs.ts";

afterEach(cleanUp);

const ask = (program: CheckedProgram, port: number) =>
  check(
    {
      program,
      origin: `http://127.0.0.1:${port}`,
      tls: {},
      timeoutMs: 10_000,
      time: {},
      certificate: {},
      metrics: [],
    },
    Date.now,
  );

it("a dfdaemon without a peer is a warning: pulls go straight to the registry", async () => {
  const proxy = await startTestProxy({}, undefined, {
    startPeer: () => Promise.reject(new Error("the disk is full")),
  });
  const { findings } = await ask(PROGRAMS.dfdaemon, proxy.port);
  expect(findings[0]).toEqual({
    state: "WARNING",
    text: "not ready: no peer: everything goes straight to the registry\n",
  });
});

it("a supernode that is not ready is critical", async () => {
  const { registry } = new SupernodeMetrics();
  const app = new Hono().route(
    "/",
    systemRoutes({
      metrics: { contentType: registry.contentType, text: () => registry.metrics() },
      notReady: () => "stopping",
      profiler: false,
    }),
  );
  const server = await serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  defer(() => server.close());
  const { findings, figures } = await ask(PROGRAMS.supernode, server.port);
  expect(findings[0]).toEqual({ state: "CRITICAL", text: "not ready: stopping\n" });
  expect(figures.map(({ label }) => label)).toContain("source_bytes");
});

it("another server is unknown", async () => {
  const fetch = () => new Response("hello");
  const server = await serve({ fetch, hostname: "127.0.0.1", port: 0 });
  defer(() => server.close());
  const { findings, figures } = await ask(PROGRAMS.supernode, server.port);
  expect(findings).toMatchObject([{ state: "UNKNOWN" }]);
  expect(figures).toEqual([]);
});
