// `npm run test:runtimes`: has all end-to-end tests and 25 seeds of chaos run with our programs on the oldest Node,
// the newest, and Deno; `-- --core` takes the part of it that `.ci/run` has time for, on the oldest Node and Deno;
// `-- --only deno` (or `oldest`, `newest`) one runtime; `--report FILE` says how many passed, as JSON. The runtimes are
// npm packages.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");
/** What differs most between runtimes: TLS within TLS, signals, files, detached processes. */
const CORE = ["one_node", "reload", "supernode_restart", "wikimedia"];
const SEEDS = 25;
/** On Deno only, for `npm test` has 25 of them run on a Node near the oldest. */
const CORE_SEEDS = { oldest: 0, deno: 2 };
/** Machines that run tests are busy: limits of time are so many times longer. */
const PATIENCE = 6;
const node = (name) => join(HERE, "node_modules", name, "bin/node");

const { values } = parseArgs({
  options: {
    core: { type: "boolean", default: false },
    only: { type: "string" },
    report: { type: "string" },
  },
});
const { core, only, report: reportFile } = values;
const files = core ? CORE.map((name) => `tests/e2e/${name}.test.ts`) : ["tests/e2e"];
const runtimes = [
  {
    name: "oldest",
    command: node("node-oldest"),
    env: { DRAGONFLY_NODE: node("node-oldest") },
  },
  {
    name: "newest",
    command: node("node-newest"),
    env: { DRAGONFLY_NODE: node("node-newest") },
  },
  {
    name: "deno",
    command: join(ROOT, "node_modules/.bin/deno"),
    env: { DRAGONFLY_RUNTIME: "deno" },
  },
].filter(({ name }) => (only ? name === only : !core || name !== "newest"));
if (runtimes.length === 0) {
  console.error(`--only: "${only}": expected oldest, newest or deno`);
  process.exit(1);
}

must("npm", ["ci", "--no-audit", "--no-fund", "--prefix", HERE]);
must(process.execPath, ["bench/build.mjs"]);
const folder = await mkdtemp(join(tmpdir(), "dragonfly-runtimes-"));
const rows = [];
const total = { passed: 0, failed: 0, skipped: 0 };
for (const [index, { name, command, env }] of runtimes.entries()) {
  const seeds = core ? CORE_SEEDS[name] : SEEDS;
  const [version] = spawnSync(command, ["--version"], { encoding: "utf8" }).stdout.split(/\n| \(/);
  console.log(`\n${version}`);
  const report = join(folder, `${index}.json`);
  run(process.execPath, ["node_modules/.bin/vitest", "run", ...files], {
    ...env,
    DRAGONFLY_TEST_REPORT: report,
  });
  const schedules = ["--seeds", String(seeds), "--patience", String(PATIENCE)];
  const chaos =
    seeds === 0 || run(process.execPath, ["tests/chaos/main.mjs", ...schedules], env) === 0;
  const { passed, failed, skipped } = countsOf(report);
  // All the chaos is one test, as it is in `npm test`.
  total.passed += passed + (chaos && seeds > 0 ? 1 : 0);
  total.failed += failed + (chaos ? 0 : 1);
  total.skipped += skipped;
  const seen = seeds > 0 ? `; ${seeds} seeds of chaos ${chaos ? "without fault" : "failed"}` : "";
  rows.push(`${version}: ${passed} passed, ${failed} failed, ${skipped} skipped${seen}`);
}
await rm(folder, { recursive: true });
console.log(`\n${rows.join("\n")}`);
if (reportFile) writeFileSync(reportFile, JSON.stringify(total));
process.exit(total.failed > 0 ? 1 : 0);

/** A report that is not there counts as a failure. */
function countsOf(report) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    const broken = testResults.some(({ status }) => status === "failed");
    return {
      passed: numPassedTests,
      failed: Math.max(numFailedTests, broken ? 1 : 0),
      skipped: numPendingTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
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
