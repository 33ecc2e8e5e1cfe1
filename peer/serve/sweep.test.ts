import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { Catalog } from "../store/catalog.ts";
import { SupernodeList } from "../supernode/supernode_list.ts";
import { startPeerServer } from "./peer_server.ts";

test("an expired file that cannot be deleted is in nobody's way", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dragonfly-sweep-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const http = new HttpClient();
  const catalog = new Catalog(dataDir);
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
  const server = await startPeerServer({
    catalog,
    ip: "127.0.0.1",
    port: 0,
    expireMs: 1,
    aliveMs: 0,
    limit: { totalLimit: 0 },
    supernodes: new SupernodeList([], http),
    http,
  });
  onTestFinished(async () => {
    await server.close();
    http.close();
  });
  await vi.waitFor(() => expect(stat(other)).rejects.toThrow("ENOENT"), { timeout: 20_000 });
});
