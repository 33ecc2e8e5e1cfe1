import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startSupernode } from "../start.ts";

vi.mock("@redis/client", () => {
  throw new Error("the client library is loaded");
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "redis-ledger-"));
});
afterAll(() => rm(dir, { recursive: true }));

const start = (state: string) =>
  startSupernode({
    ...{ listenIp: "127.0.0.1", listenPort: 0, downloadPort: 0, advertiseIp: "127.0.0.1" },
    homeDir: dir,
    state,
  });

it("loads its client library only where a state is configured", async () => {
  await (await start("")).close();
  await expect(start("redis://127.0.0.1:1")).rejects.toThrow();
});
