import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ourProgram } from "../support/our_programs.ts";
import { run, until } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { startSupernode } from "../support/supernode.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("lost-output");
});
afterAll(() => scratch?.close());

/** Runs a program of ours within a line of bash, in which it is `"$@"`. */
const within = (line: string, ...command: string[]) =>
  run(scratch, ["bash", "-c", line, "bash", ...command]);

it.each(["dfctl", "dfget", "dfdaemon"] as const)(
  "%s: who reads no further is no fault; a full disk is said in a line",
  async (program) => {
    const command = [...ourProgram(program), "--help"];
    const unread = await within('"$@" | true; exit $PIPESTATUS', ...command);
    expect(unread).toMatchObject({ code: 0, stderr: "" });
    const full = await within('"$@" > /dev/full', ...command);
    expect(full.code).toBe(2);
    expect(full.stderr).toMatch(new RegExp(`^${program}: .*no space left on device.*\n$`, "i"));
  },
);

it("dfget says so where who reads the file has had enough of it", async () => {
  const source = await Source.start(scratch);
  const { url } = source.add("long", 4_000_000);
  const command = [...ourProgram("dfget"), "-u", url, "-p", "source", "-o", "-"];
  const ended = await within('"$@" | head --bytes 10 > "$0"; exit $PIPESTATUS', ...command);
  expect(ended.code).toBe(80);
  expect(ended.stderr).toMatch(/error:who reads standard output takes no more of it\n$/);
});

it("a daemon goes on when nobody takes its log any more", async () => {
  // The reader of both outputs ends after the first line.
  const prefix = ["bash", "-c", 'exec "$@" > >(head -n 1 > "$0") 2>&1', join(scratch.dir, "read")];
  const { process, home, node } = await startSupernode(scratch, { cdnPattern: "source", prefix });
  await until("the reader has ended", async () => {
    const read = await readFile(join(scratch.dir, "read"), "utf8").catch(() => "");
    return read.endsWith("\n");
  });
  const log = () => readFile(join(home, "logs/app.log"), "utf8");
  for (const times of [1, 2, 3]) {
    process.signal("SIGHUP");
    await until("it has reloaded", async () => (await log()).split("reloaded").length > times);
  }
  expect((await fetch(`http://${node}/healthz`)).status).toBe(200);
  expect(process.running).toBe(true);
});
