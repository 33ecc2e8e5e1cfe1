import { mkdir, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closeLogging, configureLogging, getLogger } from "./logger.ts";
import { secretWord } from "./secret_word.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dragonfly-log-"));
});
afterEach(async () => {
  await closeLogging();
  await rm(folder, { recursive: true });
});

describe("logging", () => {
  it("gives each part its file, and says nothing below its level", async () => {
    const files = { one: join(folder, "logs", "one.log"), two: join(folder, "logs", "two.log") };
    await configureLogging({ files, format: "json" });
    getLogger("one").info("hello {name}", { name: "peer" });
    getLogger("one").debug("hidden");
    getLogger("two").warn("careful");
    await closeLogging();
    const lines = (await readFile(files.one, "utf8")).trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "INFO", properties: { name: "peer" } });
    expect(await readFile(files.two, "utf8")).toContain("careful");
  });

  it("says when and by which part, and on standard error and in detail where it is asked to", async () => {
    const files = { one: join(folder, "one.log") };
    const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const wasSaid = () => stderr.mock.calls.join("");
    try {
      await configureLogging({ files });
      getLogger("one").info("said in its file");
      expect(wasSaid()).toBe("");
      await configureLogging({ files, stderr: true, verbose: true });
      getLogger("one").debug("said twice");
      await closeLogging();
      const form = /^\d{4}-\d\d-\d\dT[\d:.]+Z \[DBG\] dragonfly\.one: said twice$/m;
      expect(wasSaid()).toMatch(form);
      const text = await readFile(files.one, "utf8");
      expect(text).toMatch(form);
      expect(text).toContain("said in its file");
    } finally {
      stderr.mockRestore();
    }
  });

  it("says which file cannot be written, and goes on with the others", async () => {
    const files = { bad: join(folder, "bad.log"), good: join(folder, "good.log") };
    await mkdir(files.bad);
    const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      await configureLogging({ files });
      expect(stderr.mock.calls.join("")).toContain(`cannot write log file ${files.bad}: `);
      getLogger("bad").info("nowhere");
      getLogger("good").info("here");
    } finally {
      stderr.mockRestore();
    }
    await closeLogging();
    expect(await readFile(files.good, "utf8")).toContain("here");
  });

  it.each(["text", "json"] as const)("keeps secret words out of %s lines", async (format) => {
    const path = join(folder, "app.log");
    const word = secretWord();
    await configureLogging({ files: { part: path }, format });
    getLogger("part").info("{name} at /peer/swarm/a-{word}-1-2", {
      name: `x-${word}-1-2`,
      word: "",
    });
    await closeLogging();
    const text = await readFile(path, "utf8");
    expect(text).toContain("x-1-2");
    expect(text).not.toContain(word);
  });

  it("writes a record on one line, whatever is in it", async () => {
    const path = join(folder, "app.log");
    await configureLogging({ files: { part: path } });
    getLogger("part").info("no task {id}", { id: "a\r\n2026-01-01 INF all is well \x1b[2J" });
    await closeLogging();
    const text = await readFile(path, "utf8");
    expect(text.split("\n")).toHaveLength(2);
    expect(text).toContain("no task a\\r\\n2026-01-01 INF all is well \\x1b[2J");
  });

  it("puts no stream aside, such as /dev/stdout, however much has gone into it", async () => {
    const file = await open(join(folder, "app.log"), "a");
    await configureLogging({ files: { part: `/dev/fd/${file.fd}` }, maxSize: 0.01 });
    for (let line = 0; line < 1000; line++) getLogger("part").info("x".repeat(100));
    await closeLogging();
    await file.close();
    expect(await readdir(folder)).toEqual(["app.log"]);
    expect((await readFile(join(folder, "app.log"), "utf8")).split("\n")).toHaveLength(1001);
  });

  it("rotates a file that grows too large", async () => {
    const path = join(folder, "app.log");
    // What comes while the disk is busy is written together, and may be more than a file should hold.
    for (let run = 0; run < 4; run++) {
      await configureLogging({ files: { part: path }, maxSize: 0.01, maxBackups: 2 });
      for (let line = 0; line < 100; line++) getLogger("part").info("x".repeat(100));
      await closeLogging();
    }
    expect((await readdir(folder)).sort()).toEqual(["app.log", "app.log.1", "app.log.2"]);
  });
});
