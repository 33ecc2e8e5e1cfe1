import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SERVE_LIMITS } from "../../runtime/serve.ts";
import { PORTS } from "../bad_input/ports.ts";

it("the table of limits has every port, and the limits that hold there", async () => {
  const page = await readFile(join(import.meta.dirname, "../../docs/configuration.md"), "utf8");
  const limits = page.split(/^## /m).find((section) => section.startsWith("Limits\n"))!;
  const rows = limits
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.slice(2, -2).split(" | "));
  const size = (bytes: number) =>
    bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MiB` : `${bytes / 1024} KiB`;
  for (const [name, { maxBody }] of Object.entries(PORTS)) {
    const row = rows.find(([port]) => port === name || port!.startsWith(`${name} (`));
    expect(row, name).toBeDefined();
    const [, headers, url, body, connections] = row!;
    expect(headers).toBe(size(SERVE_LIMITS.maxHeaderBytes));
    expect(url).toBe(size(SERVE_LIMITS.maxUrlBytes));
    expect(body!.split(",")[0]).toBe(maxBody ? size(maxBody) : "any");
    if (!name.includes("CONNECT"))
      expect(connections).toBe(String(SERVE_LIMITS.maxConnectionsPerClient));
  }
  const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, idleTimeoutMs } = SERVE_LIMITS;
  const waits = rows.slice(-5).map(([, waits]) => waits!.split(" ").slice(0, 2).join(" "));
  expect(waits).toEqual([
    `${headersTimeoutMs / 1000} s`,
    `${headersTimeoutMs / 1000} s`,
    `${requestTimeoutMs / 60_000} min`,
    `${idleTimeoutMs / 60_000} min`,
    `${keepAliveMs / 1000} s`,
  ]);
});
