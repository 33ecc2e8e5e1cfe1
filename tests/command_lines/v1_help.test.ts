import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ourProgram } from "../support/our_programs.ts";
import { runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { v1Help } from "./v1_help.ts";

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("v1-help");
});
afterAll(() => scratch?.close());

/** Defaults that the help of v1 says wrong, or that ours are not. */
const OTHER_DEFAULTS: Readonly<Record<string, string>> = {
  "dfget --locallimit": "0B stands for the default of dfget.yml, 20M: ours names that",
  "dfget --minrate": "0B stands for the default of dfget.yml, 64K: ours names that",
  "dfget --totallimit": "0B is none",
  "dfdaemon --dfpath": "the default is beside dfdaemon; without effect here",
  "dfdaemon --maxprocs": "without effect here",
};

describe.each(["supernode", "dfget", "dfdaemon"] as const)("the help of v1's %s", (program) => {
  const { flags, commands } = v1Help(program);
  let ours: string;
  beforeAll(async () => {
    ours = (await runWell(scratch, [...ourProgram(program), "--help"])).stdout.toString();
    // A flag's help may take several lines.
    ours = ours.replace(/\n {20,}/g, " ");
  });

  it("was read", () => {
    expect(flags.length).toBeGreaterThan(14);
    expect(commands).toContain("gen-doc");
  });

  it.each(commands)("command %s is one of ours", (command) => {
    expect(ours).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
  });

  it.each(flags)("--$name is one of ours, with its letter and default", (flag) => {
    const letter = flag.short ? `-${flag.short}, ` : "";
    const line = new RegExp(`^ {2}${letter}--${flag.name}( <.+?>)? {2,}(.*)$`, "m").exec(ours);
    expect(line, `no ${letter}--${flag.name} in:\n${ours}`).not.toBeNull();
    const [, value, help] = line!;
    expect(value === undefined).toBe(flag.isSwitch);
    if (flag.default === undefined || `${program} --${flag.name}` in OTHER_DEFAULTS) return;
    const plain = flag.default.replace(/(\d[KMG])B$/, "$1");
    expect(help).toContain(`default: ${plain}`);
  });

  it("has every default that ours have not", () => {
    for (const name of Object.keys(OTHER_DEFAULTS)) {
      const [of, flag] = name.split(" --");
      if (of === program) expect(flags.find(({ name }) => name === flag)?.default).toBeDefined();
    }
  });
});
