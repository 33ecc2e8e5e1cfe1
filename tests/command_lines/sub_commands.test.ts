import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import { freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram, run, runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

const PROGRAMS = ["supernode", "dfget", "dfdaemon"] as const;
type Program = (typeof PROGRAMS)[number];

/** Every sub-command of v1's programs, with a word that its help must have. */
const COMMANDS: Record<Program, Record<string, string>> = {
  supernode: {
    completion: "shell",
    config: "default",
    "gen-doc": "--path",
    help: "--cdn-pattern",
    version: "version",
  },
  dfget: {
    completion: "shell",
    "gen-doc": "--path",
    help: "--url",
    server: "--alivetime",
    version: "version",
  },
  dfdaemon: {
    completion: "shell",
    config: "default",
    "gen-ca": "--expire-duration",
    "gen-doc": "--path",
    help: "--registry",
    version: "version",
  },
};

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.open("sub-commands");
});
afterAll(() => scratch?.close());

describe.each(PROGRAMS)("%s", (program) => {
  const start = (...args: string[]) => run(scratch, [...ourProgram(program), ...args]);

  it.concurrent.each(Object.entries(COMMANDS[program]))(
    "helps with %s, in three ways",
    async (command, word) => {
      const ways = [
        ["help", command],
        [command, "--help"],
        [command, "-h"],
      ];
      if (command === "help") ways.splice(0, 3, ["help"], ["--help"], ["-h"]);
      for (const way of ways) {
        const help = await start(...way);
        expect(help, help.output).toMatchObject({ code: 0 });
        expect(help.stdout.toString()).toContain("Usage:");
        expect(help.stdout.toString()).toContain(word);
      }
    },
  );

  it("lists its sub-commands in the help", async () => {
    const help = (await start("help")).stdout.toString();
    for (const command of Object.keys(COMMANDS[program])) {
      expect(help).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
    }
  });

  it("has one line of version", async () => {
    const { stdout } = await start("version");
    expect(stdout.toString()).toMatch(new RegExp(`^${program} ${manifest.version} \\(.+\\)\\n$`));
  });

  it.each([["-p"], ["--path"]])(
    "gen-doc %s writes a page on every command and flag",
    async (flag) => {
      const written = await start("gen-doc", flag, scratch.dir);
      expect(written, written.output).toMatchObject({ code: 0 });
      const page = await readFile(join(scratch.dir, `${program}.md`), "utf8");
      for (const [command, word] of Object.entries(COMMANDS[program])) {
        if (command !== "help") expect(page).toContain(`## ${program} ${command}\n`);
        expect(page).toContain(word);
      }
    },
  );

  it.each([
    [["completion", "bash"], "complete "],
    [["completion", "zsh"], `#compdef ${program}`],
    [["completion", "fish"], `complete -c ${program}`],
    [["completion", "powershell"], `-CommandName '${program}' -ScriptBlock`],
  ])("%j", async (args, expected) => {
    const script = await start(...args);
    expect(script, script.output).toMatchObject({ code: 0 });
    expect(script.stdout.toString()).toContain(expected);
  });

  it.concurrent.each(["bash", "fish", "powershell", "zsh"])(
    "completion %s offers the same words without their descriptions",
    async (shell) => {
      const described = (await start("completion", shell)).stdout.toString();
      const bare = (await start("completion", shell, "--no-descriptions")).stdout.toString();
      const help = "show the version";
      expect(described.includes(help)).toBe(shell !== "bash");
      expect(bare).not.toContain(help);
      for (const command of Object.keys(COMMANDS[program])) expect(bare).toContain(command);
    },
  );

  it("completes words in bash", async () => {
    const script = (await start("completion", "bash")).stdout.toString();
    const complete = async (...words: string[]) => {
      const list = words.map((word) => `'${word}'`).join(" ");
      const ask = `COMP_WORDS=(${program} ${list}); COMP_CWORD=${words.length}; _${program}`;
      const told = await runWell(scratch, [
        ...["bash", "-c", `${script}\n${ask}; printf '%s\\n' "\${COMPREPLY[@]}"`],
      ]);
      return told.stdout.toString().trim().split("\n");
    };
    expect(await complete("comp")).toEqual(["completion"]);
    expect(await complete("gen-doc", "--p")).toEqual(["--path"]);
    expect(await complete("--help", "vers")).toEqual(["version"]);
  });

  it("refuses a shell for which it has no script, by code 1", async () => {
    const refused = await start("completion", "tcsh");
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/tcsh.*bash, fish, powershell, zsh/);
  });

  it.each([["nonsense"], ["version", "nonsense"], ["help", "nonsense"]])(
    "refuses %s %s by code 1",
    async (...args) => {
      const refused = await start(...args.filter(Boolean));
      expect(refused, refused.output).toMatchObject({ code: 1 });
      expect(refused.stderr).not.toMatch(/\n\s+at /);
    },
  );
});

describe.each(["supernode", "dfdaemon"] as const)("%s config default", (program) => {
  it("is v1's default configuration, and what holds where nothing is configured", async () => {
    const show = async (...args: string[]) =>
      parse(
        (await runWell(scratch, [...ourProgram(program), "config", ...args])).stdout.toString(),
      );
    const v1 = await readFile(
      join(import.meta.dirname, `../conformance/transcripts/${program}-config-default.yml`),
      "utf8",
    );
    const shown = await show("default");
    // v1 shows an empty list as null there.
    const expected = parse(v1.replace("certs: null", "certs: []"), (_key, value) =>
      typeof value === "string" ? value.replace("$HOME", scratch.dir) : value,
    );
    expect(shown).toMatchObject(expected);
    expect(Object.keys(shown)).toEqual(expect.arrayContaining(Object.keys(expected)));
    expect(await show()).toEqual(shown);
  });
});

it("dfget server takes all its flags, and ends after --alivetime", async () => {
  const address = freshAddress();
  const port = await freePort(address);
  const home = await scratch.directory("server");
  const server = RunningProgram.start(scratch, [
    ...ourProgram("dfget"),
    ...["server", "--ip", address, `--port=${port}`, "--home", home, "--data", join(home, "d")],
    ...["--meta", join(home, "m"), "--expiretime", "1m0s", "--alivetime=1s", "--verbose"],
  ]);
  await server.until("it listens", () => accepts(address, port));
  const ping = await fetch(`http://${address}:${port}/server/ping`);
  expect(await ping.text()).toBe("success");
  expect(await server.exited).toEqual({ code: 0, signal: null });
});
