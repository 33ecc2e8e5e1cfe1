import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Program, ProgramError, Programs } from "./program.ts";

let directory: string;
let programs: Programs;
const never = new AbortController().signal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "program-"));
  programs = new Programs();
});
afterEach(async () => {
  programs.kill();
  await programs.stop();
  await rm(directory, { recursive: true });
});

function start(script: string, label = "node 1"): Program {
  const log = join(directory, "output.log");
  return programs.start({ label, command: [process.execPath, "-e", script], log });
}

const printed = (text: string) => async () =>
  (await readFile(join(directory, "output.log"), "utf8")).includes(text);

const runs = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("a program", () => {
  test("that ends instead of answering: the error has its last lines", async () => {
    const program = start("console.log('first'); console.error('no such file'); process.exit(3)");
    const error = await program.ready(async () => false, never).catch((error) => error);
    expect(error).toBeInstanceOf(ProgramError);
    expect(error.message).toBe("node 1: ended with code 3\n    first\n    no such file");
  });

  test("that cannot be started at all", async () => {
    const program = programs.start({
      label: "supernode",
      command: [join(directory, "absent")],
      log: join(directory, "output.log"),
    });
    await expect(program.ready(async () => false, never)).rejects.toThrow(
      /^supernode: could not be started: .*ENOENT\n {4}\(it printed nothing\)$/,
    );
  });

  test("is waited for no longer than the signal allows", async () => {
    const stop = new AbortController();
    const waiting = start("setInterval(() => {}, 1000)").ready(async () => {
      stop.abort(new Error("stopped"));
      return false;
    }, stop.signal);
    await expect(waiting).rejects.toThrow("stopped");
  });
});

describe("programs", () => {
  test("that end by themselves are told of", async () => {
    start("setInterval(() => {}, 1000)", "node 1");
    const watch = programs.watch();
    const other = start("setInterval(() => {}, 1000)", "node 2");
    const both = programs.watch();
    process.kill(other.pid, "SIGKILL");
    await expect(both).rejects.toThrow("node 2: ended with SIGKILL in the middle of the demo");
    // Ending them ourselves is no news.
    await programs.stop();
    const quiet = new Promise((resolve) => setImmediate(() => resolve("quiet")));
    expect(await Promise.race([watch, quiet])).toBe("quiet");
  });

  test("are asked to end, and have ended when `stop` resolves", async () => {
    const program = start(
      "process.on('SIGTERM', () => { console.log('well'); process.exit(0) }); setInterval(() => {}, 1000); console.log('up')",
    );
    await program.ready(printed("up"), never);
    await programs.stop();
    expect(await program.ended).toBe("ended with code 0");
    expect(await printed("well")()).toBe(true);
    expect(runs(program.pid)).toBe(false);
    expect(() => start("")).toThrow("the demo is ending");
  });

  test("that do not listen are killed", async () => {
    const program = start(
      "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')",
    );
    await program.ready(printed("up"), never);
    const stopped = programs.stop();
    programs.kill();
    await stopped;
    expect(await program.ended).toBe("ended with SIGKILL");
    expect(runs(program.pid)).toBe(false);
  });
});
