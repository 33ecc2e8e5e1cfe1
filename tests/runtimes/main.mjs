// `npm run test:runtimes`: has all end-to-end tests run with our programs on the oldest Node, the newest, and Deno,
// and some chaos on both Nodes; `-- --core` takes the part of it that `.ci/run` has time for. The runtimes are npm
// packages.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");
const CORE = ["one_node", "supernode_restart"];
const node = (name) => join(HERE, "node_modules", name, "bin/node");

const core = process.argv.includes("--core");
const files = core ? CORE.map((name) => `tests/e2e/${name}.test.ts`) : ["tests/e2e"];
// What chaos sees of a process is loaded into it by NODE_OPTIONS, which Deno does not read.
const seedsOn = (env) => (core || env.DRAGONFLY_RUNTIME === "deno" ? 0 : 5);
const runtimes = [
  { command: node("node-oldest"), env: { DRAGONFLY_NODE: node("node-oldest") } },
  { command: node("node-newest"), env: { DRAGONFLY_NODE: node("node-newest") } },
  { command: join(ROOT, "node_modules/.bin/deno"), env: { DRAGONFLY_RUNTIME: "deno" } },
];

must("npm", ["ci", "--no-audit", "--no-fund", "--prefix", HERE]);
must(process.execPath, ["bench/build.mjs"]);
const folder = await mkdtemp(join(tmpdir(), "dragonfly-runtimes-"));
const rows = [];
let failed = false;
for (const [index, { command, env }] of runtimes.entries()) {
  const version = spawnSync(command, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0];
  console.log(`\n${version}`);
  const report = join(folder, `${index}.json`);
  run(process.execPath, ["node_modules/.bin/vitest", "run", ...files], {
    ...env,
    DRAGONFLY_TEST_REPORT: report,
  });
  const seeds = seedsOn(env);
  const chaosArgs = ["tests/chaos/main.mjs", "--seeds", String(seeds)];
  const chaos = seeds === 0 ? 0 : run(process.execPath, chaosArgs, env);
  const { passed, failures, skipped } = countsOf(report);
  if (failures > 0 || chaos !== 0) failed = true;
  const chaosSays =
    seeds && `; ${seeds} seeds of chaos ${chaos === 0 ? "without fault" : "failed"}`;
  rows.push(
    `${version}: ${passed} passed, ${failures} failed, ${skipped} skipped${chaosSays || ""}`,
  );
}
await rm(folder, { recursive: true });
console.log(`\n${rows.join("\n")}`);
process.exit(failed ? 1 : 0);

/** A report that is not there counts as a failure. */
function countsOf(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    const broken = testResults.some(({ status }) => status === "failed");
    return {
      passed: numPassedTests,
      failures: Math.max(numFailedTests, broken ? 1 : 0),
      skipped: numPendingTests,
    };
  } catch {
    return { passed: 0, failures: 1, skipped: 0 };
  }
}

function run(command, args, env = {}) {
  const options = { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...env } };
  return spawnSync(command, args, options).status ?? 1;
}

function must(command, args) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}
