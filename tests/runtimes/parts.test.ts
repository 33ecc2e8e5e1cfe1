import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

const PARTS = 4;

function listed(...args: string[]): string[] {
  const command = [join(import.meta.dirname, "main.mjs"), "--list", ...args];
  return execFileSync(process.execPath, command, { encoding: "utf8" }).trim().split("\n");
}

it("core and parts together have each end-to-end test once", () => {
  const parts = Array.from({ length: PARTS }, (_, i) => listed("--part", `${i + 1}/${PARTS}`));
  const files = readdirSync(join(ROOT, "tests/e2e")).map((file) => file.replace(".test.ts", ""));
  expect([...listed("--core"), ...parts.flat()].toSorted()).toEqual(files.toSorted());
});
