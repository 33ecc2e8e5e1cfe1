import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Code, PieceResult } from "../../protocol/codes.ts";
import { type Answer, ScriptedSupernode } from "../command_lines/scripted_supernode.ts";
import { type DfgetHost, dfgetHost, startDfget } from "../support/dfget.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";

const REGISTERED = {
  taskId: "a".repeat(64),
  fileLength: 1000,
  pieceSize: 4 * 1024 * 1024,
  cdnSource: "source",
  asSeed: false,
  seedTaskID: "",
};

let scratch: Scratch;
let source: Source;
let host: DfgetHost;
beforeAll(async () => {
  scratch = await Scratch.open("conformance-codes");
  source = await Source.start(scratch);
  host = await dfgetHost(scratch);
});
afterAll(() => scratch?.close());

let files = 0;

/** Runs dfget against a supernode that answers so; the n-th pull gets the n-th answer, or the last. */
async function dfget(
  answers: {
    register?: Answer;
    pulls?: (file: SourceUrl) => Answer[];
    /** Whether the last of these is for a pull that tells of a piece. */
    waits?: boolean;
  },
  ...flags: string[]
) {
  const name = `file-${files++}`;
  const file = source.add(name, 1000);
  const pulls = answers.pulls?.(file) ?? [];
  let asked = 0;
  const supernode = await ScriptedSupernode.start(scratch, ({ pathname, searchParams }) => {
    if (pathname === "/peer/registry")
      return answers.register ?? { body: { code: Code.success, msg: "success", data: REGISTERED } };
    if (pathname === "/peer/task") {
      const next = pulls[Math.min(asked, pulls.length - 1)]!;
      // A client for which a piece takes its time asks on meanwhile: as v1 does, it is told to wait until it tells of it.
      const tells = searchParams.get("result") === String(PieceResult.semiSuccess);
      if (answers.waits && next === pulls.at(-1) && !tells) return code(Code.wait);
      asked += 1;
      return next;
    }
    return { body: { code: Code.pieceReported } };
  });
  const output = join(host.home, name);
  const args = ["-u", file.url, "-o", output, "--node", supernode.node, ...flags];
  const finished = await startDfget(scratch, host, args).finished();
  const printed = finished.stdout.toString();
  return { file, output, finished, printed, registrations: supernode.registrations.length };
}

/** It went to the source, for this reason, and has the right file. */
async function expectFromSource(
  run: Awaited<ReturnType<typeof dfget>>,
  reason: number,
): Promise<void> {
  expect(run.finished, run.printed).toMatchObject({ code: 0 });
  expect(run.printed).toMatch(
    new RegExp(`^download SUCCESS .* length:1000 reason:${reason}$`, "m"),
  );
  expect(run.printed).toMatch(/^start download file-\d+ from the source station$/m);
  expect((await readFile(run.output)).equals(run.file.content)).toBe(true);
}

/** An envelope, as every code but the registration's errors comes. */
const code = (number: number): Answer => ({ body: { code: number, msg: "so it is" } });
/** An error as v1 sends it. */
const error = (status: number): Answer => ({ status, body: { code: status, message: "so it is" } });

describe("a registration that is answered with", () => {
  it.concurrent.each<[string, Answer]>([
    ["HTTP 500, as v1 refuses", error(500)],
    ["HTTP 400", error(400)],
    ["500 system error", code(500)],
    ["501 bad parameter", code(501)],
    ["606 task conflict", code(606)],
    ["607 URL not reachable", code(607)],
    ["610 source error", code(610)],
    ["a code nobody knows", code(999)],
    ["a success without a task", code(200)],
    ["no envelope", { body: "hello" }],
    ["an error page", { status: 502, body: "<html>" }],
  ])("%s sends the client to the source, reason 1", async (_what, register) => {
    const run = await dfget({ register });
    await expectFromSource(run, 1);
    expect(run.printed).not.toContain("connected to node");
    expect(run.printed).not.toContain("failed to download by dragonfly");
  });

  it("608 need auth fails: the source would say the same", async () => {
    const { finished, printed } = await dfget({ register: code(608) });
    expect(finished).toMatchObject({ code: 96 });
    expect(printed).toMatch(/^download FAIL\(608\) .* reason:1 error:/m);
  });
});

describe("a pull that is answered with", () => {
  it.concurrent.each<[string, Answer, number]>([
    ["500 system error", code(500), 3],
    ["HTTP 500", error(500), 3],
    ["501 bad parameter", code(501), 3],
    ["604 supernode failed", code(604), 3],
    ["605 unknown", code(605), 3],
    ["606 task conflict", code(606), 3],
    ["607 URL not reachable", code(607), 3],
    ["608 need auth", code(608), 3],
    ["609 wait auth", code(609), 3],
    ["610 source error", code(610), 10],
    ["a code nobody knows", code(999), 3],
    ["no envelope", { body: "hello" }, 3],
    ["pieces that are none", { body: { code: 601, data: [{ range: 5 }] } }, 3],
    ["600 while pieces are missing", { body: { code: 600, data: { fileLength: 0, md5: "" } } }, 3],
  ])("%s sends the client to the source", async (_what, pull, reason) => {
    const run = await dfget({ pulls: () => [pull] });
    await expectFromSource(run, reason);
    expect(run.printed).toMatch(
      new RegExp(
        `^failed to download by dragonfly: failed to download with p2p pattern, reason: ${reason}, and start try to download from source$`,
        "m",
      ),
    );
  });

  it("502 has it register once more: the supernode was restarted", async () => {
    const run = await dfget({ pulls: () => [code(502)] });
    await expectFromSource(run, 3);
    expect(run.registrations).toBeGreaterThanOrEqual(2);
  });

  it.each([200, 602, 603])("%i has it ask again", async (again) => {
    const piece = (file: SourceUrl) => ({
      range: "0-4194303",
      pieceNum: 0,
      pieceSize: REGISTERED.pieceSize,
      pieceMd5: "",
      cid: `cdnnode:127.0.0.1~${REGISTERED.taskId}`,
      peerIp: "127.0.0.1",
      peerPort: 28001,
      path: file.url,
      downLink: 0,
    });
    const { finished, printed, output, file } = await dfget({
      pulls: (wanted) => [
        code(again),
        code(again),
        { body: { code: 601, data: [piece(wanted)] } },
        { body: { code: 600, data: { fileLength: 0, md5: "" } } },
      ],
      waits: true,
    });
    expect(finished, printed).toMatchObject({ code: 0 });
    expect(printed).toMatch(/^download SUCCESS .* length:1000 reason:0$/m);
    expect((await readFile(output)).equals(file.content)).toBe(true);
  });

  it("anything final fails with 1000 added to the reason where --notbs forbids the source", async () => {
    const { finished, printed } = await dfget({ pulls: () => [code(610)] }, "--notbs");
    expect(finished).toMatchObject({ code: 80 });
    expect(printed).toMatch(/^download FAIL\(1104\) .* reason:1010 error:.*1010$/m);
  });
});
