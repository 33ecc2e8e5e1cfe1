import { expect, it } from "vitest";
import type { Check, Finding, NodeUnderTest } from "./check.ts";
import { STATES, worstOf } from "./check.ts";
import { runChecks } from "./run_checks.ts";

const ok = (name: string): Check => ({
  ...{ name, patienceMs: 1000 },
  run: async () => [{ name, state: "ok", says: "well" }],
});

async function run(...checks: Check[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const one of runChecks(checks, {} as NodeUnderTest)) findings.push(one);
  return findings;
}

it("one that hangs is given up, one that breaks is said to, and the others go on", async () => {
  const hangs: Check = { name: "hangs", patienceMs: 20, run: () => new Promise(() => {}) };
  const denied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
  const findings = await run(
    ok("first"),
    hangs,
    { ...ok("breaks"), run: () => Promise.reject(new Error("boom")) },
    { ...ok("denied"), run: () => Promise.reject(denied) },
    ok("last"),
  );
  expect(findings).toEqual([
    { name: "first", state: "ok", says: "well" },
    { name: "hangs", state: "warn", says: "given up after 0.02 s" },
    { name: "breaks", state: "warn", says: "could not be looked at: boom" },
    {
      ...{ name: "denied", state: "warn", todo: "run this as root" },
      says: "not to be seen: EACCES: permission denied",
    },
    { name: "last", state: "ok", says: "well" },
  ]);
});

it("the worst counts, and is the exit code", () => {
  const of = (...states: Finding["state"][]) =>
    STATES.indexOf(worstOf(states.map((state) => ({ name: "", says: "", state }))));
  expect([of(), of("ok"), of("ok", "warn"), of("fail", "warn", "ok")]).toEqual([0, 0, 1, 2]);
});
