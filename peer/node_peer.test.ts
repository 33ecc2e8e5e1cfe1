import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openFiles } from "../tests/support/files_below.ts";
import { NodePeer } from "./node_peer.ts";
import { indexPath } from "./store/index_file.ts";
import { TaskFile } from "./store/task_file.ts";

test("a peer whose port is taken leaves no file of the cache open, and all as it is on disk", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dragonfly-peer-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const path = join(dataDir, "kept.service");
  const file = await TaskFile.create(path, {
    ...{ version: 1, key: "key-kept", taskId: "t", cid: "c", supernode: "h:8002", name: "kept" },
    ...{ length: 5, pieceSize: 5, framed: false, pieces: [], verified: true, touchedMs: 7 },
  });
  await file.writePiece(0, Buffer.from("bytes"));
  await file.saveIndex();
  expect(await openFiles(process.pid, dataDir)).toEqual([path]);
  await file.close();
  const index = await readFile(indexPath(path), "utf8");

  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  await expect(NodePeer.start({ ip: "127.0.0.1", port, dataDir, supernodes: [] })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port}`,
  );
  expect(await openFiles(process.pid, dataDir)).toEqual([]);
  expect(await readFile(indexPath(path), "utf8")).toBe(index);
});
