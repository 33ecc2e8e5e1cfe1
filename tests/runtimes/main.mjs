// `npm run test:runtimes`: has all end-to-end tests and 25 seeds of chaos run with our programs on the oldest Node,
// the newest, and Deno. The runtimes are npm packages.
//   --only NAME       one runtime: oldest, newest or deno
//   --part K/N        of the test files every Nth, from the Kth on, and so many of the seeds
// `.ci/run` has time for a part of it:
//   --core            the heart of it, on the oldest Node and Deno; of the part only what is no core, one file after
//                     the other, each on all three, without seeds
//   --seconds N       with --core: within so many seconds; what there is no time for is left out, and counts as skipped
//   --durations FILE  vitest's report of a run on this machine: how long each file takes
//   --report FILE     says how many tests passed, as JSON
//   --list            says which files and seeds, and no more
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { failuresIn, secondTriesIn } from "./failures.mjs";
import { CORE, partOf } from "./parts.mjs";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");
/** On Deno only, for `npm test` has 25 of them run on a Node near the oldest. */
const CORE_SEEDS = { oldest: 0, deno: 2 };
/** Seconds without which the core is not begun on a runtime: it takes a minute where nothing else runs. */
const CORE_SECONDS = 120;
/** Seconds a file is taken to need where no report says. */
const USUAL_SECONDS = 60;
const node = (name) => join(HERE, "node_modules", name, "bin/node");
/** What differs most from the Node of `npm test` comes first: time may not be enough for all. */
const RUNTIMES = {
  deno: { command: join(ROOT, "node_modules/.bin/deno"), env: { DRAGONFLY_RUNTIME: "deno" } },
  oldest: { command: node("node-oldest"), env: { DRAGONFLY_NODE: node("node-oldest") } },
  newest: { command: node("node-newest"), env: { DRAGONFLY_NODE: node("node-newest") } },
};

const values = readFlags({
  core: { type: "boolean", default: false },
  part: { type: "string" },
  only: { type: "string" },
  seconds: { type: "string", default: "Infinity" },
  durations: { type: "string" },
  report: { type: "string" },
  list: { type: "boolean", default: false },
});
const { core, part, only } = values;
const names = Object.keys(RUNTIMES).filter((name) => !only || name === only);
if (names.length === 0) refuse(`--only: "${only}": expected oldest, newest or deno`);
const share = partOf(...readPart(part ?? "1/1"), core ? CORE : []);
if (values.list) {
  const { first, count } = share.seeds;
  const seeds = Array.from({ length: core ? 0 : count }, (_, index) => `seed ${first + index}`);
  console.log([...(core ? CORE : []), ...(core && !part ? [] : share.files), ...seeds].join("\n"));
  process.exit();
}

/** What has been run and left out, a line each. */
const lines = [];
const total = { passed: 0, failed: 0, skipped: 0, failures: [], secondTries: [] };
const folder = await mkdtemp(join(tmpdir(), "dragonfly-runtimes-"));
must("npm", ["ci", "--no-audit", "--no-fund", "--prefix", HERE]);
must(process.execPath, ["bench/build.mjs"]);
if (core) {
  for (const name of names.filter((one) => one in CORE_SEEDS)) {
    if (!hasTimeFor("the core", name, CORE_SECONDS)) continue;
    test(name, CORE.join(", "), CORE);
    chaos(name, { first: 1, count: CORE_SEEDS[name] });
  }
  const durations = values.durations ? durationsIn(values.durations) : new Map();
  for (const file of part ? share.files : []) {
    // Alone it takes less than among all the others, as it was measured; how much a runtime adds is not known.
    const seconds = 1.5 * (durations.get(file) ?? USUAL_SECONDS);
    for (const name of names) if (hasTimeFor(file, name, seconds)) test(name, file, [file]);
  }
} else {
  for (const name of names) {
    test(name, part ? `part ${part}` : "all", share.files);
    chaos(name, share.seeds);
  }
}
await rm(folder, { recursive: true });
for (const one of total.secondTries) lines.push(`passed at its second try: ${one}`);
for (const one of total.failures) lines.push(`failed: ${one}`);
console.log(`\n${lines.join("\n")}`);
if (values.report) writeFileSync(values.report, JSON.stringify(total));
process.exit(total.failed > 0 ? 1 : 0);

function readFlags(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

function readPart(text) {
  const [, k, n] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (!(k >= 1 && k <= n)) refuse(`--part: "${text}": expected K/N, as 2/8`);
  return [k, n];
}

/** Whether so many seconds are left; if not, says what is left out. */
function hasTimeFor(what, name, seconds) {
  const left = Math.floor(Number(values.seconds) - process.uptime());
  if (left >= seconds) return true;
  total.skipped += 1;
  lines.push(
    `left out: ${what} on ${name}: it may take ${Math.ceil(seconds)} s, and ${left} s are left`,
  );
  return false;
}

/** Has test files run on a runtime. */
function test(name, what, files) {
  const version = versionOf(name);
  console.log(`\n${version}: ${files.join(", ")}`);
  const report = join(folder, `${lines.length}.json`);
  const paths = files.map((file) => `tests/${file}.test.ts`);
  run(process.execPath, ["node_modules/.bin/vitest", "run", ...paths], {
    ...RUNTIMES[name].env,
    DRAGONFLY_TEST_REPORT: report,
  });
  const { passed, failed, skipped, failures, secondTries } = countsOf(report);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  total.failures.push(...failures.map((failure) => `${version}: ${failure}`));
  total.secondTries.push(...secondTries.map((one) => `${version}: ${one}`));
  lines.push(`${version}: ${what}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
}

/** All the chaos is one test, as it is in `npm test`. */
function chaos(name, { first, count }) {
  if (count === 0) return;
  const flags = ["--busy", "--first", String(first), "--seeds", String(count)];
  const isFine =
    run(process.execPath, ["tests/chaos/main.mjs", ...flags], RUNTIMES[name].env) === 0;
  total[isFine ? "passed" : "failed"] += 1;
  const seeds = `seeds ${first} to ${first + count - 1} of chaos`;
  if (!isFine) total.failures.push(`${versionOf(name)}: ${seeds}`);
  lines.push(`${versionOf(name)}: ${seeds}: ${isFine ? "without fault" : "failed"}`);
}

function versionOf(name) {
  const { stdout } = spawnSync(RUNTIMES[name].command, ["--version"], { encoding: "utf8" });
  return name === "deno" ? stdout.split(/\n| \(/)[0] : `node ${stdout.trim()}`;
}

/** A report that is not there counts as a failure. */
function countsOf(report) {
  try {
    const said = JSON.parse(readFileSync(report, "utf8"));
    const failures = failuresIn(said);
    return {
      passed: said.numPassedTests,
      failed: failures.length,
      skipped: said.numPendingTests,
      failures,
      secondTries: secondTriesIn(said),
    };
  } catch {
    const failures = ["no report was written"];
    return { passed: 0, failed: 1, skipped: 0, failures, secondTries: [] };
  }
}

/** Seconds by the name of a file; none where type check, lint or build failed and no test has run. */
function durationsIn(report) {
  const text = readFileSync(report, "utf8");
  const { testResults = [] } = text ? JSON.parse(text) : {};
  return new Map(
    testResults.map(({ name, startTime, endTime }) => [
      relative(join(ROOT, "tests"), name).replace(".test.ts", ""),
      (endTime - startTime) / 1000,
    ]),
  );
}

function refuse(line) {
  console.error(line);
  process.exit(1);
}

function run(command, args, env = {}) {
  const options = { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...env } };
  return spawnSync(command, args, options).status ?? 1;
}

function must(command, args) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}
