import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { configKeys } from "./config_keys.ts";
import { CONFIG_FILES } from "./config_page.ts";
import { allPages } from "./pages.ts";
import { allPrograms } from "./programs.ts";

const pages = allPages();

it.each(Object.keys(pages))(
  "%s is what the code says: else run `npm run reference`",
  async (file) => {
    expect(await readFile(file, "utf8"), relative(".", file)).toBe(pages[file]);
  },
);

it("a key's flag is one that a program has", () => {
  const known = new Set(allPrograms().flatMap(({ options }) => options.map(({ long }) => long)));
  const flags = CONFIG_FILES.flatMap(({ schema, flagOf }) =>
    configKeys(schema).flatMap(({ path }) => flagOf(path) ?? []),
  );
  expect(flags.length).toBeGreaterThan(30);
  expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
});

it("every flag and command of every program has a description", () => {
  const silent = (command: Command): string[] => [
    ...(command.description() ? [] : [command.name()]),
    ...command.options.filter(({ description }) => !description).map(({ flags }) => flags),
    ...command.commands.flatMap(silent),
  ];
  expect(allPrograms().flatMap(silent)).toEqual([]);
});

it("nothing of the machine it was made on is in a page", () => {
  for (const page of Object.values(pages)) {
    for (const own of [process.env.HOME, process.cwd()]) expect(page).not.toContain(`${own}/`);
  }
});
