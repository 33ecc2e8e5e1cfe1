import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { ByteRange } from "../protocol/piece_range.ts";
import { UsageError } from "../runtime/command_line.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { HttpClient } from "../runtime/http_client.ts";
import type { FilePart } from "./contract.ts";
import { readDfgetSettings } from "./dfget/settings.ts";
import { AwaitedBlocks, NONE_AWAITED } from "./download/awaited_blocks.ts";
import { EarlyBytes } from "./download/early_bytes.ts";
import { orderedStream } from "./download/ordered_stream.ts";
import { ReaderBuffers } from "./download/reader_buffers.ts";
import { RunningDigest } from "./download/running_digest.ts";
import { Catalog } from "./store/catalog.ts";
import { expired } from "./store/expiry.ts";
import type { FileIndex } from "./store/index_file.ts";
import { sha256 } from "./store/sha256.ts";
import { TaskFile } from "./store/task_file.ts";
import { parseSupernode } from "./supernode/parse_supernode.ts";
import { SupernodeList, weightedOrder } from "./supernode/supernode_list.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-parts-"));
});
afterAll(() => rm(folder, { recursive: true }));

const index = (name: string, length: number): FileIndex => ({
  version: 1,
  key: `key-${name}`,
  taskId: "t",
  cid: "c",
  supernode: "h:8002",
  name,
  length,
  pieceSize: 10,
  framed: false,
  pieces: [],
  verified: false,
  touchedMs: 5,
});

describe("supernodes", () => {
  it.each([
    ["h", { host: "h", port: 8002, weight: 1 }],
    ["h:9", { host: "h", port: 9, weight: 1 }],
    ["h:9=3", { host: "h", port: 9, weight: 3 }],
    ["h=3", { host: "h", port: 8002, weight: 3 }],
    ["", undefined],
    ["h:x", undefined],
    ["h:1=x", undefined],
  ])("parseSupernode(%j)", (text, address) => {
    expect(parseSupernode(text)).toEqual(address);
  });

  it("are tried in weighted random order, each once", () => {
    const items = [
      { name: "a", weight: 1 },
      { name: "b", weight: 3 },
    ];
    let first = 0;
    for (let step = 0; step < 100; step++) {
      const order = weightedOrder(items, () => (step + 0.5) / 100);
      expect(order.map(({ name }) => name).sort()).toEqual(["a", "b"]);
      if (order[0]!.name === "b") first++;
    }
    expect(first).toBe(75);
  });
});

describe("another list of supernodes", () => {
  it("keeps what is known of those that stay", () => {
    const http = new HttpClient();
    onTestFinished(() => http.close());
    const address = (host: string, weight = 1) => ({ host, port: 8002, weight });
    const list = new SupernodeList([address("a"), address("b")], http);
    const kept = list.named("b:8002", http)!;
    list.lost(kept, 1000);
    list.replace([address("b"), address("c", 2)]);
    expect(list.named("b:8002", http)).toBe(kept);
    const names = (nowMs: number) => list.candidates(nowMs, () => 0).map((client) => client.name);
    expect(names(1001)).toEqual(["c:8002"]);
    expect(names(1_000_000).sort()).toEqual(["b:8002", "c:8002"]);
  });
});

describe("expiry", () => {
  it("spares what is in use or was used of late", () => {
    const files = [
      { users: 0, lastUseMs: 0 },
      { users: 1, lastUseMs: 0 },
      { users: 0, lastUseMs: 950 },
    ];
    expect(expired(files, 1000, 100)).toEqual([files[0]]);
  });
});

describe("settings", () => {
  it("come from Wikimedia's files unchanged", async () => {
    const path = join(folder, "dfget.yml");
    await writeFile(path, "nodes:\n  - dragonfly-supernode1001.eqiad.wmnet:8002=1\n");
    const flags = [
      "--home",
      "/var/lib/dragonfly-dfdaemon/dfget",
      "--ip",
      "10.64.0.11",
      "--port",
      "15001",
    ];
    expect(await readDfgetSettings(flags, path)).toMatchObject({
      supernodes: [{ host: "dragonfly-supernode1001.eqiad.wmnet", port: 8002, weight: 1 }],
      home: "/var/lib/dragonfly-dfdaemon/dfget",
      ip: "10.64.0.11",
      port: 15001,
    });
  });

  it("let flags win over the file", async () => {
    const path = join(folder, "both.yml");
    await writeFile(path, "nodes: [a]\nlocalLimit: 1M\ntotalLimit: 2M\n");
    expect(
      await readDfgetSettings(["--node", "b:1=2,c", "-s", "3M", "--expiretime", "20s"], path),
    ).toMatchObject({
      supernodes: [
        { host: "b", port: 1, weight: 2 },
        { host: "c", port: 8002, weight: 1 },
      ],
      localLimit: 3 * 1024 * 1024,
      totalLimit: 2 * 1024 * 1024,
      expireMs: 20_000,
    });
  });

  it.each([
    [["--ip", "0.0.0.0"], /announced to the other nodes/],
    [["--ip", "host"], /IPv4/],
    [["--port", "80"], /15000 to 65000/],
    [["--locallimit", "fast"], /--locallimit.*rate/],
    [["--expiretime", "5"], /--expiretime.*duration/],
    [["--node", "a:b"], /--node/],
    [["--pattern", "torrent"], /p2p, cdn, source/],
  ])("refuse %j", async (flags, message) => {
    const path = join(folder, "empty.yml");
    await writeFile(path, "");
    await expect(readDfgetSettings(flags, path)).rejects.toThrow(UsageError);
    await expect(readDfgetSettings(flags, path)).rejects.toThrow(message);
  });

  it("say which key of the file is wrong", async () => {
    const path = join(folder, "wrong.yml");
    await writeFile(path, "nodes: [a]\nlocalLimit: fast\n");
    await expect(readDfgetSettings([], path)).rejects.toThrow(ConfigError);
    await expect(readDfgetSettings([], path)).rejects.toThrow(/wrong\.yml:2: localLimit: .*rate/);
    await expect(readDfgetSettings([], join(folder, "absent.yml"))).rejects.toThrow(/no such file/);
  });
});

describe("TaskFile and Catalog", () => {
  it("find again after a restart what was there, and drop what was cut short", async () => {
    const dataDir = join(folder, "data");
    const before = new Catalog(dataDir);
    for (const name of ["whole", "cut"]) {
      const file = await TaskFile.create(join(dataDir, `${name}.service`), index(name, 25));
      for (const piece of [0, 1, 2])
        await file.writePiece(piece, Buffer.alloc(piece === 2 ? 5 : 10, piece));
      expect(file.complete).toBe(true);
      const { path } = file;
      before.add({
        name,
        path,
        key: `key-${name}`,
        taskId: "t",
        cid: "c",
        supernode: "",
        file,
        users: 0,
        touchedMs: 7,
      });
    }
    await before.close();
    await truncate(join(dataDir, "cut.service"), 12);

    const after = new Catalog(dataDir);
    await after.load();
    expect([...after.entries()].map(({ name }) => name)).toEqual(["whole"]);
    const entry = after.byKey("key-whole")!;
    expect(entry.touchedMs).toBe(7);
    expect(entry.file!.complete).toBe(true);
    const bytes = Buffer.alloc(5);
    await entry.file!.readInto(bytes, 20);
    expect(bytes).toEqual(Buffer.alloc(5, 2));
    await expect(entry.file!.readInto(Buffer.alloc(6), 20)).rejects.toThrow(/ends at byte 25/);
    await after.remove(entry);
    expect(after.size).toBe(0);
    await expect(readFile(entry.path)).rejects.toThrow(/ENOENT/);
  });
});

describe("RunningDigest", () => {
  it("hashes pieces that come in any order", async () => {
    const { createHash } = await import("node:crypto");
    const bytes = Buffer.from("0123456789abcdefghijKLMNO");
    const file = await TaskFile.create(join(folder, "digest"), index("digest", bytes.length));
    const digest = new RunningDigest(file, ["sha256", "md5"]);
    for (const piece of [2, 0, 1]) {
      const content = bytes.subarray(piece * 10, piece * 10 + 10);
      await file.writePiece(piece, content);
      digest.offer(piece, content);
    }
    const digests = await digest.digests();
    for (const name of ["sha256", "md5"]) {
      expect(digests.get(name)).toBe(createHash(name).update(bytes).digest("hex"));
    }
    await file.close();
  });
});

describe("orderedStream", () => {
  /** A file that grows as the test says. */
  async function growing(name: string, length: number, verifies: boolean) {
    const file = await TaskFile.create(join(folder, name), index(name, length));
    onTestFinished(() => file.close());
    let change!: () => void;
    let changed = new Promise<void>((resolve) => {
      change = resolve;
    });
    const self = {
      file: Promise.resolve(file),
      state: "running" as "running" | "complete" | "failed",
      error: undefined as Error | undefined,
      verifies,
      lost: [] as number[],
      early: new EarlyBytes(),
      awaited: new AwaitedBlocks(),
      changed: () => changed,
      notify() {
        change();
        changed = new Promise<void>((resolve) => {
          change = resolve;
        });
      },
      async write(piece: number, text: string) {
        await file.writePiece(piece, Buffer.from(text));
        self.notify();
      },
      end(error?: Error) {
        self.state = error ? "failed" : "complete";
        self.error = error;
        self.notify();
      },
    };
    return self;
  }
  const read = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
    const { done, value } = await reader.read();
    return done ? undefined : Buffer.from(value).toString();
  };

  it("gives the first piece before the others are there, and holds the last back until it is verified", async () => {
    const file = await growing("held-back", 25, true);
    let ended = false;
    const reader = orderedStream(file, undefined, new ReaderBuffers(), () => {
      ended = true;
    }).getReader();
    await file.write(2, "KLMNO");
    await file.write(0, "0123456789");
    expect(await read(reader)).toBe("0123456789");
    await file.write(1, "abcdefghij");
    expect(await read(reader)).toBe("abcdefghij");
    let last: string | undefined;
    const reading = read(reader).then((text) => {
      last = text;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(last).toBeUndefined();
    file.end();
    await reading;
    expect(last).toBe("KLMNO");
    expect(await read(reader)).toBeUndefined();
    expect(ended).toBe(true);
  });

  it("fails where the file turns out wrong, without its end", async () => {
    const file = await growing("wrong", 15, true);
    const reader = orderedStream(file, undefined, new ReaderBuffers(), () => {}).getReader();
    await file.write(0, "0123456789");
    await file.write(1, "abcde");
    expect(await read(reader)).toBe("0123456789");
    file.end(new Error("wrong bytes"));
    await expect(reader.read()).rejects.toThrow("wrong bytes");
  });

  it("gives a range as soon as its pieces are there", async () => {
    const file = await growing("range", 25, true);
    const reader = orderedStream(
      file,
      { start: 8, end: 12 },
      new ReaderBuffers(),
      () => {},
    ).getReader();
    await file.write(0, "0123456789");
    await file.write(1, "abcdefghij");
    expect(await read(reader)).toBe("89");
    expect(await read(reader)).toBe("abc");
    expect(await read(reader)).toBeUndefined();
  });

  it("waits for the length where nobody knows it", async () => {
    const file = await growing("unknown", -1, false);
    const reader = orderedStream(file, undefined, new ReaderBuffers(), () => {}).getReader();
    await file.write(0, "0123456789");
    await file.write(1, "abc");
    expect(await read(reader)).toBe("0123456789");
    (await file.file).setLength(13);
    file.end();
    expect(await read(reader)).toBe("abc");
    expect(await read(reader)).toBeUndefined();
  });

  it("gives what has come of the reader's first piece, and of no other", async () => {
    const file = await growing("early", 25, true);
    const range = { start: 2, end: 24 };
    const reader = orderedStream(file, range, new ReaderBuffers(), () => {}).getReader();
    const first = read(reader);
    // It has said by now where it begins.
    await new Promise((resolve) => setImmediate(resolve));
    file.early.offer(0, Buffer.from("0123"));
    expect(file.early.offer(1, Buffer.from("abcd"))).toBe(false);
    file.notify();
    expect(await first).toBe("23");
    file.early.compare(0, Buffer.from("0123456789"));
    expect(file.early.settle(0)).toBe(true);
    await file.write(0, "0123456789");
    expect(await read(reader)).toBe("456789");
    await file.write(1, "abcdefghij");
    expect(await read(reader)).toBe("abcdefghij");
    await reader.cancel();
  });

  it("says what a reader waits for, while it waits", async () => {
    const file = await growing("awaited", 45, false);
    const range = { start: 23, end: 44 };
    const reader = orderedStream(file, range, new ReaderBuffers(), () => {}).getReader();
    const first = read(reader);
    await vi.waitFor(() => expect(file.awaited.choose(0)).toBe(2));
    await file.write(2, "KLMNOPQRST");
    expect(await first).toBe("NOPQRST");
    await vi.waitFor(() => expect(file.awaited.choose(0)).toBe(3));
    await reader.cancel();
    expect(file.awaited.choose(0)).toBe(NONE_AWAITED);
  });

  it("says once with what a reader would begin that is not here, but for the first piece", async () => {
    const file = await growing("begins", 45, false);
    const begun: number[] = [];
    file.awaited.onBegin = (block) => void begun.push(block);
    await file.write(3, "UVWXYZabcd");
    const readers = [0, 23, 30, 42].map((start) => {
      const range = { start, end: 44 };
      return orderedStream(file, range, new ReaderBuffers(), () => {}).getReader();
    });
    const [all, middle] = readers;
    const reads = [all!, middle!].map(read);
    await vi.waitFor(() => expect(begun).toEqual([2, 4]));
    await file.write(2, "KLMNOPQRST");
    await file.write(0, "0123456789");
    expect(await Promise.all(reads)).toEqual(["0123456789", "NOPQRST"]);
    expect(begun).toEqual([2, 4]);
    for (const reader of readers) await reader.cancel();
  });

  it("gives the end of a part that is wanted by itself before the whole file is verified", async () => {
    const file = await growing("apart", 25, true);
    const readerOf = (range: FilePart) =>
      orderedStream(file, range, new ReaderBuffers(), () => {}).getReader();
    const [apart, rest] = [
      readerOf({ start: 22, end: 24, apart: true }),
      readerOf({ start: 22, end: 24 }),
    ];
    const held = read(rest!);
    await file.write(2, "klmno");
    expect(await read(apart!)).toBe("mno");
    expect(await read(apart!)).toBeUndefined();
    const other = Symbol("still waiting");
    expect(await Promise.race([held, new Promise((resolve) => setImmediate(resolve, other))])).toBe(
      other,
    );
    file.end();
    expect(await held).toBe("mno");
  });

  it("fails for who was handed a piece that turned out wrong, and for nobody else", async () => {
    const file = await growing("lost", 25, true);
    const readerOf = (range?: ByteRange) =>
      orderedStream(file, range, new ReaderBuffers(), () => {}).getReader();
    const [all, rest] = [readerOf(), readerOf({ start: 10, end: 24 })];
    await file.write(0, "0123456789");
    expect(await read(all)).toBe("0123456789");
    file.lost.push(2, 0);
    await file.write(1, "abcdefghij");
    await expect(all.read()).rejects.toThrow(/piece 0 turned out wrong/);
    expect(await read(rest)).toBe("abcdefghij");
    // Who comes now has the right one.
    const late = readerOf();
    expect(await read(late)).toBe("0123456789");
    expect(await read(late)).toBe("abcdefghij");
  });

  /** A file of two pieces that is complete, and was found right so many milliseconds ago. */
  async function found(name: string, agoMs: number) {
    const growingFile = await growing(name, 20, true);
    const file = await growingFile.file;
    for (const [piece, text] of ["0123456789", "abcdefghij"].entries()) {
      const content = Buffer.from(text);
      await file.writePiece(piece, content, await sha256(content));
    }
    await file.seal();
    file.foundRight(performance.now() - agoMs);
    let damaged = 0;
    growingFile.end();
    const onDamaged = () => {
      damaged += 1;
    };
    return { file: { ...growingFile, onDamaged }, path: file.path, damaged: () => damaged };
  }

  it("ends before a piece that a disk has spoilt, and tells", async () => {
    const { file, path, damaged } = await found("spoilt", 61_000);
    await writeFile(path, "0123456789abcdefghiX");
    const reader = orderedStream(file, { start: 10, end: 19 }, new ReaderBuffers(), () => {});
    await expect(reader.getReader().read()).rejects.toThrow(/damaged on disk/);
    expect(damaged()).toBe(1);
  });

  it("does not end as a whole where somebody has written to the file since it was found right", async () => {
    const { file, path } = await found("written", 0);
    await appendFile(path, "!");
    const reader = orderedStream(file, { start: 0, end: 9 }, new ReaderBuffers(), () => {});
    await expect(reader.getReader().read()).rejects.toThrow(/was changed on disk/);
  });

  it("lets go once when its reader leaves", async () => {
    const file = await growing("left", 25, false);
    let ends = 0;
    const stream = orderedStream(file, undefined, new ReaderBuffers(), () => {
      ends++;
    });
    await stream.cancel();
    file.end(new Error("too late"));
    expect(ends).toBe(1);
  });
});
