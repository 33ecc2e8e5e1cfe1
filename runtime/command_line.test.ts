import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { collect, createCommand, parseCommandLine, UsageError } from "./command_line.ts";

function program(): {
  command: Command;
  parse(...args: string[]): Promise<Record<string, unknown>>;
} {
  let seen: Record<string, unknown> = {};
  const command = createCommand("test")
    .option("-u, --url <url>")
    .option("--notbs")
    .option("--header <header>", "", collect)
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
    [["--header", "a:b", "--header=c:d"], { header: ["a:b", "c:d"] }],
  ])("reads %j as Go's flags are read", async (args, expected) => {
    expect(await program().parse(...args)).toEqual(expected);
  });

  it.each([
    [["--nope"], /unknown option '--nope'/],
    [["--url"], /argument missing/],
    [["--notbs=perhaps"], /invalid value "perhaps" for --notbs/],
    [["a", "b"], /too many arguments/],
  ])("refuses %j", async (args, message) => {
    await expect(program().parse(...args)).rejects.toThrow(UsageError);
    await expect(program().parse(...args)).rejects.toThrow(message);
  });
});
