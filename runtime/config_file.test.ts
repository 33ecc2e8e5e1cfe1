import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { ConfigError } from "./config_error.ts";
import { configSection, parseConfig, readConfigFile, strictSection } from "./config_file.ts";

const schema = configSection({
  base: configSection({
    listenPort: z.number().int().min(0).max(65535).optional(),
    pattern: z.enum(["local", "source"]).optional(),
    either: z.union([z.string(), z.number()]).optional(),
    hosts: z.array(configSection({ regx: z.string() })).optional(),
  }).optional(),
  plain: z.strictObject({ a: z.number() }).optional(),
  strict: strictSection({ nodes: z.number().optional() }).optional(),
});

function complaint(text: string): string {
  try {
    parseConfig("x.yml", text, schema);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error("accepted");
}

describe("what is wrong is said with file, line and key", () => {
  test.each([
    [
      "unknown key",
      "base:\n  listenPrt: 1",
      "x.yml:2: base.listenPrt: unknown key; did you mean listenPort?",
    ],
    [
      "a key unlike any other",
      "base:\n  colour: red",
      "x.yml:2: base.colour: unknown key; expected one of listenPort, pattern, either, hosts",
    ],
    ["unknown block", "bse:\n  listenPort: 1", "x.yml:1: bse: unknown key; did you mean base?"],
    [
      "unknown key that is read as it is spelled",
      "strict: {nodez: 1}",
      "x.yml:1: strict.nodez: unknown key; did you mean nodes?",
    ],
    ["unknown key of a plain object", "plain: {a: 1, b: 2}", "x.yml:1: plain.b: unknown key"],
    [
      "wrong type",
      "\n\nbase:\n  listenPort: eight",
      "x.yml:4: base.listenPort: expected number, received string",
    ],
    [
      "key in another case",
      "base:\n  LISTENPORT: x",
      "x.yml:2: base.listenPort: expected number, received string",
    ],
    ["too small", "base:\n  listenPort: -1", "x.yml:2: base.listenPort: expected >=0"],
    [
      "not one of two",
      "base: {pattern: cdn}",
      'x.yml:1: base.pattern: expected "local" or "source"',
    ],
    ["text for a block", "base: 5", "x.yml:1: base: expected a block of keys and values"],
    [
      "an alias of nothing",
      "base: *other",
      "x.yml: not valid YAML: Unresolved alias (the anchor must be set before the alias): other",
    ],
    ["a merge of a text", "base: {<<: text}", /unknown key; expected one of/],
    ["list for the whole", "- 1", "x.yml: expected a block of keys and values"],
    [
      "in a list",
      "base:\n  hosts:\n    - regx: a\n    - regx: 1",
      "x.yml:4: base.hosts.1.regx: expected string, received number",
    ],
    [
      "missing in a list",
      "base:\n  hosts:\n    - {}",
      "x.yml:3: base.hosts.0.regx: missing; expected string",
    ],
    [
      "no branch fits",
      "base:\n  either: [1]",
      "x.yml:2: base.either: expected string, received array",
    ],
    ["not YAML", "base:\n  a: [1\nb: 2", /^x\.yml:\d+: not valid YAML: .+/],
    [
      "twice the same key",
      "base: {}\nbase: {}",
      "x.yml:2: not valid YAML: Map keys must be unique",
    ],
  ])("%s", (_name, text, message) => {
    if (typeof message === "string") expect(complaint(text)).toBe(message);
    else expect(complaint(text)).toMatch(message);
  });

  test("all complaints at once", () => {
    expect(complaint("base:\n  listenPort: a\n  pattern: b\n").split("\n")).toHaveLength(2);
  });
});

describe("what is right is read", () => {
  test.each([
    ["nothing at all", "", {}],
    ["a block without content", "base:\n", {}],
    ["a key without value", "base:\n  listenPort:\n", { base: {} }],
    ["keys in any case", "BASE:\n  listenport: 1", { base: { listenPort: 1 } }],
  ])("%s", (_name, text, wanted) => {
    expect(parseConfig("x.yml", text, schema)).toEqual(wanted);
  });
});

describe("files that cannot be read", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "config-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  test("absent", async () => {
    const path = join(dir, "none.yml");
    await expect(readConfigFile(path, schema)).rejects.toThrow(`${path}: no such file`);
  });
  test("a directory", async () => {
    await expect(readConfigFile(dir, schema)).rejects.toThrow(`${dir}: is a directory, not a file`);
  });
  test.skipIf(process.getuid?.() === 0)("not permitted", async () => {
    const path = join(dir, "secret.yml");
    await writeFile(path, "");
    await chmod(path, 0);
    await expect(readConfigFile(path, schema)).rejects.toThrow(
      `${path}: not permitted to read it, as user `,
    );
  });
  test("present", async () => {
    const path = join(dir, "good.yml");
    await writeFile(path, "base:\n  pattern: source\n");
    expect(await readConfigFile(path, schema)).toEqual({ base: { pattern: "source" } });
  });
});
