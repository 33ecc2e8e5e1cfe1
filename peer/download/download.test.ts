import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { TaskFile } from "../store/task_file.ts";
import { Download } from "./download.ts";
import type { DownloadPlan, DownloadTools } from "./download_plan.ts";
import { joinSwarm } from "./join_swarm.ts";

// What a swarm says and brings, and when, is the tests' word here.
vi.mock("./join_swarm.ts");

const PIECES = ["0123", "4567", "89"];
const CONTENT = PIECES.join("");
const LAYOUT = { pieceSize: 4, framed: false, length: CONTENT.length };
const bytes = (text: string) => Buffer.from(text);
const sha256 = (text: string) => createHash("sha256").update(text).digest();

let folder: string;
let url: string;
/** What the source sends, and how often it was asked. */
let sends: string;
let asked: number;
const leave = vi.fn();
const http = new HttpClient();
const server = createServer((_, response) => {
  asked += 1;
  response.end(sends);
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-download-"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
});
afterAll(async () => {
  http.close();
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  sends = CONTENT;
  asked = 0;
  leave.mockClear();
});

type Swarm = Parameters<typeof joinSwarm>[0];

function begin(more: Partial<DownloadPlan> = {}, resumed?: TaskFile): Download {
  const name = `file-${Math.random()}`;
  const plan = {
    source: { url, headers: {} },
    ...{ taskUrl: url, taskId: "t", key: "k", identity: { cid: "c" }, name },
    path: join(folder, name),
    digest: { algorithm: "sha256", hex: sha256(CONTENT).toString("hex") },
    backToSource: "joined",
    ...more,
  } as DownloadPlan;
  const tools = { http, limiters: [], swarms: { leave } } as unknown as DownloadTools;
  const download = new Download(plan, tools, resumed);
  onTestFinished(() =>
    download.file.then(
      (file) => file.close(),
      () => {},
    ),
  );
  return download;
}

/** A download whose swarm does so; what it brings not is brought as the file has it. */
function start(
  swarm: (hooks: Swarm, file: TaskFile, download: Download) => Promise<void> | void,
  more?: Partial<DownloadPlan>,
  resumed?: TaskFile,
): Download {
  vi.mocked(joinSwarm).mockImplementationOnce(async (hooks) => {
    // Not within its own making. What is here is hashed already.
    await Promise.resolve();
    await download.hashedStart();
    const file = await hooks.openFile(LAYOUT, "t");
    await swarm(hooks, file, download);
    for (const piece of file.missing()) await hooks.onPiece(piece, bytes(PIECES[piece]!), "peer");
    return { finished: true };
  });
  const download: Download = begin(more, resumed);
  return download;
}

it.each([
  ["right", "01", []],
  ["wrong", "0x", [0]],
])("compares what readers had early of a block, where that is %s", async (_, early, lost) => {
  const whole = start((hooks, __, { early: readers }) => {
    readers.want(0);
    hooks.onComing(0, bytes(early));
  });
  await whole.done;
  expect(whole.lost).toEqual(lost);
  // From a peer a block lies there before it is known to be right; the last that does so counts.
  const staged = start(async (hooks, __, { early: readers }) => {
    readers.want(0);
    hooks.onComing(0, bytes(early));
    for (const text of ["zzzz", PIECES[0]!]) await hooks.onStaged(0, bytes(text), sha256(text));
    hooks.onConfirmed(0, 4, "peer");
  });
  await staged.done;
  expect(staged.lost).toEqual(lost);
});

it("takes a piece back that turns out wrong: readers hear of it, and the digest is that of the next", async () => {
  let heard = false;
  const download = start(async (hooks, file, self) => {
    await hooks.onPiece(0, bytes("zzzz"), "peer");
    // It is hashed by then.
    await self.hashedStart();
    void self.changed().then(() => (heard = true));
    hooks.onLost(0);
    await Promise.resolve();
    expect([heard, file.has(0), self.lost]).toEqual([true, false, [0]]);
  });
  await expect(download.done).resolves.toMatchObject({ reason: BacksourceReason.none });
  expect(asked).toBe(0);
});

it("counts a piece once, however often and by whatever way it comes, and tells readers of each", async () => {
  const download = start(async (hooks, _, self) => {
    for (const change of [
      () => hooks.onPiece(0, bytes(PIECES[0]!), "peer"),
      async () => {
        await hooks.onStaged(1, bytes(PIECES[1]!), sha256(PIECES[1]!));
        hooks.onConfirmed(1, 4, "peer");
      },
    ]) {
      const told = self.changed();
      await change();
      await told;
    }
    await hooks.onPiece(0, bytes("zzzz"), "registry");
    await hooks.onPiece(1, bytes("zzzz"), "registry");
    hooks.onConfirmed(0, 4, "registry");
  });
  await download.done;
  expect(download.bytes).toMatchObject({ peer: CONTENT.length, registry: 0 });
  expect(JSON.parse(await readFile(`${download.plan.path}.json`, "utf8"))).toMatchObject({
    verified: true,
    pieces: expect.anything(),
  });
});

/** A peer's wrong piece, about which nobody finds anything out. */
const wrong = (hooks: Swarm) => hooks.onPiece(1, bytes("zzzz"), "peer");

it("fetches wrong bytes of peers once more from the source, and leaves the swarm", async () => {
  const back = vi.fn();
  const download = start(wrong);
  download.onBackToSource = back;
  expect(await download.done).toMatchObject({ reason: BacksourceReason.md5Mismatch });
  expect(await readFile(download.plan.path, "utf8")).toBe(CONTENT);
  expect(back).toHaveBeenCalledOnce();
  expect(leave.mock.calls).toEqual([[download.plan.name]]);
});

it.each<[string, Partial<DownloadPlan>, number, (download: Download) => void]>([
  ["the source has no others", {}, 1, () => (sends = "zzzzzzzzzz")],
  ["a reader has some of them", {}, 0, (download) => (download.handedOut = true)],
  ["the source is forbidden", { backToSource: "never" }, 0, () => {}],
])("ends with nothing where bytes are wrong, and %s", async (_, more, times, prepare) => {
  let file: TaskFile | undefined;
  const download = start((hooks, opened) => {
    file = opened;
    return wrong(hooks);
  }, more);
  prepare(download);
  await expect(download.done).rejects.toThrow(/^the bytes are sha256:/);
  expect([file!.held.size, asked > 0]).toEqual([0, times > 0]);
  await expect(download.file).resolves.toBe(file);
});

it("does not ask the source again for what came from it", async () => {
  sends = "zzzzzzzzzz";
  const download = begin({ sourceOnly: true, backToSource: "always" });
  await expect(download.done).rejects.toThrow(/^the bytes are sha256:/);
  expect(asked).toBe(1);
});

it("begins anew where what is here is cut into other pieces", async () => {
  const path = join(folder, "resumed");
  const old = await TaskFile.create(path, {
    ...{ version: 1, key: "k", taskId: "t", cid: "", supernode: "", name: "resumed", touchedMs: 0 },
    ...{ length: CONTENT.length, pieceSize: 5, framed: false, pieces: [], verified: false },
  });
  await old.writePiece(0, bytes("zzzzz"));
  const download = start((_, file) => expect(file.held.size).toBe(0), { path }, old);
  expect(await download.done).toMatchObject({ reason: BacksourceReason.none });
  expect([old.closed, await readFile(path, "utf8")]).toEqual([true, CONTENT]);
});

it("tells readers where there is nothing to read", async () => {
  const error = "no supernode takes it in";
  vi.mocked(joinSwarm).mockResolvedValueOnce({ finished: false, reason: 1, error });
  const fails = begin();
  for (const promise of [fails.file, fails.done]) await expect(promise).rejects.toThrow(error);
});

it("says where it ends that the disk has no room", async () => {
  vi.mocked(joinSwarm).mockImplementationOnce(async (hooks) => {
    await hooks.openFile({ ...LAYOUT, length: 1e15 }, "t");
    return { finished: true };
  });
  const fails = begin();
  await expect(fails.done).rejects.toThrow("no space left for 1000000000000000 bytes");
  expect(fails.reason).toBe(BacksourceReason.noSpace);
});
