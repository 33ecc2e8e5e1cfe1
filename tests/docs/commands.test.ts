import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { dfgetConfigSchema } from "../../peer/dfget/settings.ts";
import { proxyConfigSchema } from "../../proxy/settings.ts";
import { allPrograms } from "../../reference/programs.ts";
import { expectedOf, parseConfig } from "../../runtime/config_file.ts";
import { supernodeFileSchema } from "../../supernode/settings.ts";
import { allPages, codeOf, ROOT } from "./markdown.ts";

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const { tasks } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
const programs = new Map(allPrograms().map((program) => [program.name(), program]));
const SHELL = new Set(["sh", "console", "", undefined]);

/** The lines of a piece of code that somebody types: where a session is shown, those with a prompt. */
function typedLines(text: string): string[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  const prompted = lines.filter((line) => line.startsWith("$ "));
  return prompted.length > 0 ? prompted : lines;
}

/** What is wrong with a line of a shell, as far as it runs what is ours. */
function mistakes(line: string): string[] {
  return line
    .replace(/(^|\s)#.*$/, "")
    .split(/&&|\|\||[|;]/)
    .flatMap((part) => mistakesOfOne(part.trim().replace(/^\$ /, "").split(/\s+/)));
}

function mistakesOfOne(words: string[]): string[] {
  const [first = "", second = "", third = ""] = words;
  if (first === "npm" && second === "run") return third in scripts ? [] : [`no script ${third}`];
  if (/(^|\/)deno$/.test(first) && second === "task")
    return third in tasks ? [] : [`no task ${third}`];
  const bundled = first === "node" ? /^dist\/(\w+)\.js$/.exec(second)?.[1] : undefined;
  const name = bundled ?? /^(?:\/usr\/\S*\/)?([\w-]+)$/.exec(first)?.[1];
  const program = name === undefined ? undefined : programs.get(name);
  if (bundled && !program && bundled !== "demo") return [`no program ${bundled}`];
  return program ? mistakesOfUse(program, words.slice(bundled ? 2 : 1)) : [];
}

/** Sub-commands and flags that a program does not have. */
function mistakesOfUse(program: Command, words: string[]): string[] {
  let command = program;
  const wrong: string[] = [];
  const known = new Set(["-h", "--help"]);
  const learn = () => {
    for (const { long, short } of command.options) known.add(long ?? "").add(short ?? "");
  };
  learn();
  let mayBeCommand = true;
  for (const word of words) {
    const flag = /^(--?[A-Za-z][\w-]*)/.exec(word)?.[1];
    if (flag) {
      if (!known.has(flag)) wrong.push(`${command.name()}: no flag ${flag}`);
      mayBeCommand &&= known.has(flag) && /^--?(json|s|supernode)$/.test(flag);
      continue;
    }
    const child = command.commands.find((one) => one.name() === word);
    if (child) {
      command = child;
      learn();
    } else if (
      mayBeCommand &&
      /^[a-z-]+$/.test(word) &&
      takesNoArguments(command) &&
      word !== "help"
    )
      wrong.push(`${command.name()}: no command ${word}`);
  }
  return wrong;
}

function takesNoArguments(command: Command): boolean {
  return command.registeredArguments.length === 0 && command.commands.length > 0;
}

const FILES = [
  { key: /^base:/m, schema: supernodeFileSchema },
  {
    key: /^(registry_mirror|proxies|hijack_https|dfget_flags|allowedClients):/m,
    schema: proxyConfigSchema,
  },
  { key: /^nodes:/m, schema: dfgetConfigSchema },
];

describe.each(await allPages())("$path", ({ text }) => {
  it("shows commands, scripts and flags that there are", () => {
    const lines = codeOf(text)
      .filter(({ language }) => SHELL.has(language))
      .flatMap((code) => typedLines(code.text));
    expect(lines.flatMap((line) => mistakes(line).map((what) => `${line}: ${what}`))).toEqual([]);
  });

  it("shows configuration that the programs take", () => {
    const blocks = codeOf(text).filter(({ language }) => language === "yaml");
    for (const block of blocks) {
      const schema = FILES.find(({ key }) => key.test(block.text))?.schema;
      if (schema) parseConfig("example", block.text, schema);
      else expect(() => parse(block.text)).not.toThrow();
    }
  });
});

it("a wrong command would be found", () => {
  for (const line of [
    "npm run nothing",
    "deno task nothing",
    "dfctl stauts",
    "dfctl setup docker --undoo",
    "dfdaemon config chek",
    "FOO && node dist/dfget.js --urll x",
    "$ check_dragonfly supernode --metrik x",
  ])
    expect(mistakes(line), line).toHaveLength(1);
  expect(expectedOf(supernodeFileSchema.safeParse({ bass: {} }).error!)).toContain("base");
});
