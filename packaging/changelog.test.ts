import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { VERSION } from "../runtime/version.ts";

test("debian/changelog is about the version of package.json", () => {
  const changelog = readFileSync("debian/changelog", "utf8");
  expect(changelog).toMatch(/^dragonfly \([^)]+-[^-)]+\) /);
  expect(/^dragonfly \((.+)-[^-]+\) /.exec(changelog)![1]).toBe(VERSION);
});
