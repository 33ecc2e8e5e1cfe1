import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";
import { Origin, sourceFile } from "./origin.ts";
import { transcriptText } from "./transcript.ts";

let scratch: Scratch;
let origin: Origin;
beforeAll(async () => {
  scratch = await Scratch.open("dfdaemon-calls");
  origin = await Origin.start();
  scratch.defer(() => origin.close());
});
afterAll(() => scratch?.close());

/** Value of a flag among recorded arguments. */
function valueBehind(args: readonly string[], flag: string): string {
  return args[args.indexOf(flag) + 1]!;
}

it("our dfget understands how v1's dfdaemon calls it", async () => {
  const { node } = await startSupernode(scratch, {
    cdnPattern: "local",
    base: { hostAliases: { "127.0.0.1": origin.address } },
  });
  const recorded = transcriptText("dfdaemon-dfget-args.txt").trimEnd().split("\n");
  const home = await scratch.directory("dfget");
  const address = freshAddress();
  const here: Record<string, string> = {
    "-o": join(home, "layer"),
    "--home": home,
    "--ip": address,
    "--port": String(await freePort(address)),
    // Twice, as recorded.
    "--node": `${node},${node}`,
  };
  const args = recorded.map((word, at) => here[recorded[at - 1] ?? ""] ?? word);
  expect(args).toHaveLength(recorded.length);
  const command = [...ourProgram("dfget"), ...args];
  const finished = await run(scratch, [...command, "--host-alias", `127.0.0.1=${origin.address}`]);
  expect(finished, finished.output).toMatchObject({ code: 0 });
  expect(finished.stdout.toString()).toMatch(/SUCCESS .* reason:0\n/);
  const content = sourceFile(valueBehind(recorded, "-u"))!;
  expect(content.equals(await readFile(here["-o"]!))).toBe(true);
});
