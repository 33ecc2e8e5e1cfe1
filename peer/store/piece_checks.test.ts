import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readIndex } from "./index_file.ts";
import { PieceChecks, RECHECK_MS } from "./piece_checks.ts";
import { sha256 } from "./sha256.ts";
import { TaskFile } from "./task_file.ts";

const digest = (text: string) => new Uint8Array(createHash("sha256").update(text).digest());

describe("what pieces on disk hash to", () => {
  it("is asked again a minute after it was last right, and at once when there is doubt", () => {
    const checks = new PieceChecks();
    checks.note(2, digest("two"), 1000);
    expect(checks.isDue(2, 1000 + RECHECK_MS)).toBe(false);
    expect(checks.isDue(2, 1001 + RECHECK_MS)).toBe(true);
    expect(checks.judge(2, digest("two"), 2000 + RECHECK_MS)).toBe(true);
    expect(checks.isDue(2, 1001 + RECHECK_MS)).toBe(false);
    expect(checks.judge(2, digest("too"), 3000 + RECHECK_MS)).toBe(false);
    checks.doubtAll();
    expect(checks.isDue(2, 0)).toBe(true);
    checks.allRight(5);
    expect(checks.isDue(2, 6)).toBe(false);
  });

  it("is learnt where it was not known", () => {
    const checks = new PieceChecks();
    checks.note(0, undefined, 0);
    expect(checks.isDue(0, 0)).toBe(true);
    expect(checks.judge(0, digest("zero"), 1)).toBe(true);
    expect(checks.judge(0, digest("one"), 2)).toBe(false);
    expect(checks.isDue(100, 0)).toBe(true);
  });

  it("outlives the process, but not that it was right", () => {
    const checks = new PieceChecks();
    for (const piece of [40, 3]) checks.note(piece, digest(String(piece)), 0);
    const kept = PieceChecks.fromBase64([40, 3], checks.toBase64([40, 3]));
    expect(kept.isDue(40, 0)).toBe(true);
    expect(kept.judge(40, digest("40"), 0)).toBe(true);
    expect(kept.judge(3, digest("40"), 0)).toBe(false);
    expect(checks.toBase64([3, 4])).toBeUndefined();
    expect(PieceChecks.fromBase64([1, 2], checks.toBase64([3])).knows(1)).toBe(false);
  });
});

describe("a file on a disk that turns a bit", () => {
  const PIECE = 1000;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "piece-checks-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function fileWith(name: string, withDigests: boolean): Promise<TaskFile> {
    const file = await TaskFile.create(join(folder, name), {
      ...{ version: 1, key: name, taskId: "", cid: "", supernode: "", name, length: 2500 },
      ...{ pieceSize: PIECE, framed: false, pieces: [], verified: true, touchedMs: 0 },
    });
    for (const piece of [0, 1, 2]) {
      const content = Buffer.alloc(piece === 2 ? 500 : PIECE, piece);
      await file.writePiece(piece, content, withDigests ? await sha256(content) : undefined);
    }
    return file;
  }

  async function flip(path: string, at: number): Promise<void> {
    const handle = await open(path, "r+");
    await handle.write(Buffer.of(0xff), 0, 1, at);
    await handle.close();
  }

  it.each([
    ["known", true],
    ["learnt when it was first handed out", false],
  ])("is found out by the digest that was %s", async (_how, withDigests) => {
    const file = await fileWith(`rots-${withDigests}`, withDigests);
    const nowMs = performance.now();
    expect(await file.isIntact(0, 2500, nowMs)).toBe(true);
    await flip(file.path, 1500);
    // As far as the file system knows nobody has written.
    await file.seal();
    expect(await file.isUntouched()).toBe(true);
    const laterMs = nowMs + 2 * RECHECK_MS;
    expect(await file.isIntact(0, PIECE, laterMs)).toBe(true);
    expect(await file.isIntact(2000, PIECE, laterMs)).toBe(true);
    expect(await file.isIntact(PIECE, PIECE, laterMs)).toBe(false);
    expect(await file.isIntact(PIECE - 1, 2, laterMs)).toBe(false);
    await file.close();
  });

  it("is hashed after a restart before it is handed out", async () => {
    const file = await fileWith("restart", true);
    await file.saveIndex();
    await file.close();
    await flip(file.path, 2400);
    const index = await readIndex(`${file.path}.json`);
    if (typeof index !== "object") throw new Error("no index");
    const again = await TaskFile.reopen(file.path, index);
    expect(await again.isIntact(0, 2 * PIECE)).toBe(true);
    expect(await again.isIntact(2 * PIECE, PIECE)).toBe(false);
    await again.close();
  });
});
