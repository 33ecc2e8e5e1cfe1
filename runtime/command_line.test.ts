import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import {
  collect,
  collectList,
  createCommand,
  parseCommandLine,
  UsageError,
} from "./command_line.ts";

function program(): {
  command: Command;
  parse(...args: string[]): Promise<Record<string, unknown>>;
} {
  let seen: Record<string, unknown> = {};
  const command = createCommand("test")
    .option("-u, --url <url>")
    .option("--notbs")
    .option("-b, --showbar")
    .option("--header <header>", "", collect)
    .option("--cacerts <files>", "", collectList)
    .argument("[rest]")
    .action((rest: string | undefined, options: Record<string, unknown>) => {
      seen = rest === undefined ? options : { ...options, rest };
    });
  return {
    command,
    async parse(...args) {
      await parseCommandLine(command, args);
      return seen;
    },
  };
}

describe("command line", () => {
  it.each([
    [["--url=x"], { url: "x" }],
    [["--url", "x"], { url: "x" }],
    [["-u", "x"], { url: "x" }],
    [["-ux"], { url: "x" }],
    [["--notbs"], { notbs: true }],
    [["--notbs=true"], { notbs: true }],
    [["--notbs=false"], { notbs: false }],
    [["--notbs", "x"], { notbs: true, rest: "x" }],
    [["--notbs=1", "--notbs=0"], { notbs: false }],
    [["--notbs=0", "--notbs"], { notbs: true }],
    [["--header", "a:b", "--header=c:d,e"], { header: ["a:b", "c:d,e"] }],
    [["--cacerts", "a,b", "--cacerts=c"], { cacerts: ["a", "b", "c"] }],
    [["-u=x"], { url: "x" }],
    [["-bu", "x"], { showbar: true, url: "x" }],
    [["-bux"], { showbar: true, url: "x" }],
    [["-b=false"], { showbar: false }],
    [["--url", "--notbs"], { url: "--notbs" }],
    [["--url", "--"], { url: "--" }],
    [["--url="], { url: "" }],
    [["--url=a=b"], { url: "a=b" }],
    [["-u", "x", "-u", "y"], { url: "y" }],
    [["--", "--notbs=x"], { rest: "--notbs=x" }],
  ])("reads %j as Go's flags are read", async (args, expected) => {
    expect(await program().parse(...args)).toEqual(expected);
  });

  it.each([
    [["--nope"], /unknown option '--nope'/],
    [["--url"], /argument missing/],
    [["-u"], /argument missing/],
    [["-bz"], /unknown option '-z'/],
    [["--notbs=perhaps"], /invalid value "perhaps" for --notbs/],
    [["-b=perhaps"], /invalid value "perhaps" for -b/],
    [["a", "b"], /too many arguments/],
  ])("refuses %j", async (args, message) => {
    await expect(program().parse(...args)).rejects.toThrow(UsageError);
    await expect(program().parse(...args)).rejects.toThrow(message);
  });

  it("knows whose help says more", async () => {
    const parent = createCommand("test").option("--of <all>");
    const remove = () => {
      throw new UsageError("not so");
    };
    parent.command("rm").exitOverride().option("--force").argument("<task>").action(remove);
    const whose = (...args: string[]) =>
      parseCommandLine(parent, args).catch(({ command }: UsageError) => command);
    expect(await whose("--nope")).toBe("test");
    expect(await whose("rn")).toBe("test");
    expect(await whose("rm")).toBe("test rm");
    expect(await whose("--of", "rm", "--nope")).toBe("test");
    expect(await whose("rm", "--force=perhaps", "x")).toBe("test rm");
    expect(await whose("rm", "x")).toBe("test rm");
  });
});
