import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";

const ROOT = join(import.meta.dirname, "../..");
const PARTS = 4;
const RUNTIMES = ["deno", "oldest", "newest"];

const FILES = ["bad_input", "e2e"].flatMap((folder) =>
  readdirSync(join(ROOT, "tests", folder))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `${folder}/${file.replace(".test.ts", "")}`),
);
const SEEDS = Array.from({ length: 25 }, (_, index) => `seed ${index + 1}`);

interface Job {
  strategy?: { matrix: Record<string, string[]> };
  steps: { run?: string; uses?: string }[];
}
const workflow = parse(readFileSync(join(ROOT, ".github/workflows/test.yml"), "utf8")) as {
  jobs: Record<string, Job>;
};

function listed(...args: string[]): string[] {
  const command = [join(import.meta.dirname, "main.mjs"), "--list", ...args];
  return execFileSync(process.execPath, command, { encoding: "utf8" }).trim().split("\n");
}

/** All commands of a job, each once for each of what its matrix multiplies to. */
function commandsOf({ strategy, steps }: Job): string[] {
  let commands = steps.flatMap(({ run }) => run ?? []);
  for (const [name, values] of Object.entries(strategy?.matrix ?? {}))
    commands = commands.flatMap((command) =>
      values.map((value) => command.replaceAll(`\${{ matrix.${name} }}`, value)),
    );
  return [...new Set(commands)];
}

it("core and parts together have each test file once", () => {
  const parts = Array.from({ length: PARTS }, (_, i) =>
    listed("--core", "--part", `${i + 1}/${PARTS}`),
  );
  const core = listed("--core");
  const others = parts.flatMap((part) => part.filter((file) => !core.includes(file)));
  expect([...core, ...others].toSorted()).toEqual(FILES.toSorted());
});

it.each(RUNTIMES)("the jobs together have each test file and seed once on %s", (runtime) => {
  const ours = /^npm run test:runtimes -- (.*)$/;
  const run = Object.values(workflow.jobs)
    .flatMap(commandsOf)
    .flatMap((command) => ours.exec(command)?.[1] ?? [])
    .map((flags) => flags.split(" "))
    .filter((flags) => flags.includes(runtime))
    .flatMap((flags) => listed(...flags));
  expect(run.toSorted()).toEqual([...FILES, ...SEEDS].toSorted());
});

it("one job is what `.ci/run` is, and no action of others' is taken as it may be tomorrow", () => {
  const jobs = Object.values(workflow.jobs);
  expect(jobs.flatMap(commandsOf)).toContain(".ci/run");
  const actions = jobs.flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? []));
  expect(actions.length).toBeGreaterThan(0);
  for (const action of actions) expect(action).toMatch(/@[0-9a-f]{40}$/);
});
