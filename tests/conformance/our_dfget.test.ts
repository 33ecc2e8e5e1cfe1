import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ourProgram } from "../support/our_programs.ts";
import { run, until } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { type Call, printedForm, readCall, SIGN } from "./dfget_scenarios.ts";
import { diff } from "./diff.ts";
import { DFGET_DIFFERENCES } from "./differences.ts";
import { Ledger } from "./ledger.ts";
import { Origin, sourceFile } from "./origin.ts";
import { RecordedSupernode } from "./recorded_supernode.ts";
import { purpose, recordedForm, recordedPurposes, sentForm } from "./request_form.ts";
import { PLAYED_TO_OUR_DFGET } from "./scenarios.ts";
import { type Pattern, parameters, readTranscript, type Transcript } from "./transcript.ts";

/** The task of `identifier`. */
const IDENTIFIER_TASK = "97d64f30d35168c45d26c2914052cfc27cdcb0aba6e54c3bf39e139ac2a8ab3f";

const ledger = new Ledger(DFGET_DIFFERENCES);
let scratch: Scratch;
let origin: Origin;
beforeAll(async () => {
  scratch = await Scratch.open("conformance-dfget");
  origin = await Origin.start();
  scratch.defer(() => origin.close());
});
afterAll(() => scratch?.close());

/** Runs our dfget as the Go one was run, with the recorded hosts where ours are. */
async function dfget(hosts: string, call: Call, supernode: RecordedSupernode | undefined) {
  const { address, url, name, flags } = call;
  const home = await scratch.directory(hosts, address);
  const output = join(home, name);
  const aliases = [`127.0.0.1=${origin.address}`];
  for (const peer of ["127.0.0.2", "127.0.0.3"])
    if (peer !== address) aliases.push(`${peer}=${supernode?.peersAddress ?? origin.address}`);
  const finished = await run(scratch, [
    ...ourProgram("dfget"),
    ...["--url", url, "--output", output, "--home", home, "--ip", address],
    ...["--node", "127.0.0.1:28002", "--locallimit", "10G", ...flags],
    ...aliases.flatMap((alias) => ["--host-alias", alias]),
  ]);
  return { finished, output, home };
}

describe.each<Pattern>(["local", "source"])(
  "our dfget speaks to a v1 supernode as v1's does, CDN pattern %s",
  (pattern) => {
    it.each(PLAYED_TO_OUR_DFGET)("%s", async (scenario) => {
      await play(pattern, readTranscript(`${pattern}-${scenario}`));
    });
  },
);

async function play(pattern: Pattern, transcript: Transcript): Promise<void> {
  const { scenario, exchanges, dfget_stdout } = transcript;
  const call = readCall(transcript);
  const content = sourceFile(call.url) ?? Buffer.alloc(0);
  const supernode =
    exchanges.length > 0
      ? await RecordedSupernode.start(transcript, content, origin.address)
      : undefined;
  const { finished, output, home } = await dfget(pattern, call, supernode);
  supernode?.close();

  const lines = finished.stdout.toString().trimEnd().split("\n");
  const printed = [...lines, `exit ${finished.code}`];
  ledger.enter(`${scenario} printed`, diff(printedForm(dfget_stdout), printedForm(printed)));
  for (const request of supernode?.requests ?? []) {
    const subject = `${scenario} ${request.method} ${request.path}`;
    ledger.enter(subject, diff(recordedForm(transcript, request), sentForm(request)));
  }
  const done = new Set((supernode?.requests ?? []).map(purpose));
  const undone = [...recordedPurposes(transcript)].filter((it) => !done.has(it));
  expect(undone, "what the Go client did, and ours did not").toEqual([]);
  if (finished.code === 0) expect((await readFile(output)).equals(content)).toBe(true);
  else await expect(readFile(output)).rejects.toThrow("ENOENT");
  // The long ones would fill a small disk.
  await rm(output, { force: true });
  await rm(join(home, "data"), { recursive: true });
  ledger.expectNothingElse();
}

it.each<Pattern>(["local", "source"])(
  "our peer server takes back what it served when it ends, as v1's does, CDN pattern %s",
  async (pattern) => {
    const transcript = readTranscript(`${pattern}-identifier`);
    const call = readCall(transcript);
    const supernode = await RecordedSupernode.start(
      transcript,
      sourceFile(call.url)!,
      origin.address,
    );
    call.flags.push("--alivetime", "1s");
    const { finished } = await dfget(`idle-${pattern}`, call, supernode);
    expect(finished, finished.output).toMatchObject({ code: 0 });
    const down = () => supernode.requests.find(({ path }) => path.startsWith("/peer/service/down"));
    await until("the peer server has ended", () => down() !== undefined);
    const { unanswered } = readTranscript(`${pattern}-idle-shutdown`);
    const recorded = unanswered.find(({ path }) => path.includes(`taskId=${IDENTIFIER_TASK}`))!;
    expect(sentForm(down()!)).toMatchObject({
      method: recorded.method,
      route: "/peer/service/down",
    });
    const unsigned = ([name, value]: [string, string]) => [name, value.replace(SIGN, "<sign>")];
    expect([...parameters(down()!.path)].map(unsigned)).toEqual(
      [...parameters(recorded.path)].map(unsigned),
    );
    supernode.close();
  },
);

it("a pull without a usable answer is sent again, and the download stays with its supernode", async () => {
  const transcript = readTranscript("local-cold-three");
  const call = readCall(transcript);
  const content = sourceFile(call.url)!;
  const supernode = await RecordedSupernode.start(transcript, content, origin.address);
  supernode.failsOnce = true;
  const { finished, output } = await dfget("fails-once", call, supernode);
  supernode.close();
  expect(supernode.failsOnce).toBe(false);
  expect(finished.stdout.toString()).toMatch(/download SUCCESS .* reason:0/);
  expect((await readFile(output)).equals(content)).toBe(true);
  const registrations = supernode.requests.filter(({ path }) => path === "/peer/registry");
  expect(registrations).toHaveLength(1);
});

it("meets every difference on the list", () => {
  expect(ledger.unmet()).toEqual([]);
});
