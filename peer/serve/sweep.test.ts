import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { Catalog } from "../store/catalog.ts";
import { SupernodeList } from "../supernode/supernode_list.ts";
import { startPeerServer } from "./peer_server.ts";

/** A peer server with an empty cache. */
async function start(settings: { expireMs: number; aliveMs: number; onIdle?: () => void }) {
  const dataDir = await mkdtemp(join(tmpdir(), "dragonfly-sweep-"));
  const http = new HttpClient();
  const catalog = new Catalog(dataDir);
  const supernodes = new SupernodeList([], http);
  const limit = { totalLimit: 0 };
  const where = { ip: "127.0.0.1", port: 0 };
  const server = await startPeerServer({
    ...{ catalog, limit, supernodes, http },
    ...where,
    ...settings,
  });
  onTestFinished(async () => {
    await server.close();
    http.close();
    await rm(dataDir, { recursive: true });
  });
  return { dataDir, catalog };
}

test("an expired file that cannot be deleted is in nobody's way", async () => {
  const { dataDir, catalog } = await start({ expireMs: 1, aliveMs: 0 });
  const add = (name: string) => {
    const path = join(dataDir, `${name}.service`);
    const entry = {
      name,
      path,
      key: "",
      taskId: "",
      cid: "",
      supernode: "",
      users: 0,
      touchedMs: 0,
    };
    catalog.add(entry);
    return path;
  };
  // As on a disk that has become read-only.
  await mkdir(add("stuck"));
  const other = add("other");
  await writeFile(other, "bytes");
  await vi.waitFor(() => expect(stat(other)).rejects.toThrow("ENOENT"), { timeout: 20_000 });
});

test("a server whose clock is set forward does not take itself for one that nobody asks", async () => {
  const onIdle = vi.fn();
  const { catalog } = await start({ expireMs: 400, aliveMs: 60_000, onIdle });
  const swept = vi.spyOn(catalog, "removeWaste");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  // What is looked at after that is looked at by the next sweep at the latest.
  await vi.waitUntil(() => swept.mock.calls.length > 1, { timeout: 20_000 });
  expect(onIdle).not.toHaveBeenCalled();
});
