import { expect, test } from "vitest";
import { systemRoutes } from "./system.ts";

function routes(more: { notReady?: () => string | undefined; profiler?: boolean } = {}) {
  return systemRoutes({
    metrics: { contentType: "text/plain; version=0.0.4", text: async () => "a_metric 1\n" },
    notReady: more.notReady ?? (() => undefined),
    profiler: more.profiler ?? false,
  });
}

test("_ping answers as v1 does", async () => {
  const answer = await routes().request("/_ping");
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await answer.text()).toBe("OK");
});

test("version has v1's fields, in plain text", async () => {
  const answer = await routes().request("/version");
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
  expect(JSON.parse(await answer.text())).toEqual({
    Version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    GoVersion: expect.stringMatching(/^(node|deno) /),
    OS: process.platform,
    Arch: expect.stringMatching(/^(amd64|arm64)$/),
  });
});

test("metrics come with their content type", async () => {
  const answer = await routes().request("/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  expect(await answer.text()).toBe("a_metric 1\n");
});

test("alive is not ready", async () => {
  const stopping = routes({ notReady: () => "stopping" });
  expect((await stopping.request("/healthz")).status).toBe(200);
  const answer = await stopping.request("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.text()).toBe("stopping\n");
  expect((await routes().request("/readyz")).status).toBe(200);
});

test("profiles answer only when asked for, and say what there is instead", async () => {
  expect((await routes().request("/debug/pprof/heap")).status).toBe(404);
  const answer = await routes({ profiler: true }).request("/debug/pprof/heap");
  expect(answer.status).toBe(501);
  expect(await answer.text()).toContain("--cpu-prof");
});
