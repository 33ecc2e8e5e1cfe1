// `npm run deb`: builds the Debian packages into dist/deb, in a copy of the source: dpkg-buildpackage
// writes beside the folder it works in, and dist may be in use. Needs dpkg-dev and debhelper.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";

const NO_DENORT = 3;
/** Made by builds and tests; what of it the packages need is made anew. */
const LEFT_OUT = new Set(["node_modules", "dist", "coverage", ".git"]);

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const out = resolve("dist/deb");
const tree = join(out, `dragonfly-${version}`);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

for (const name of readdirSync(".")) {
  if (!LEFT_OUT.has(name)) cpSync(name, join(tree, name), { recursive: true });
}
symlinkSync(resolve("node_modules"), join(tree, "node_modules"));
run(process.execPath, ["bench/build.mjs"]);
const compiled = run(process.execPath, ["packaging/compile.mjs"], [0, NO_DENORT]) === 0;
console.log(
  compiled
    ? "packages of compiled binaries"
    : "packages of bundles, and of the Deno runtime, once: dragonfly-runtime",
);
run("dpkg-buildpackage", ["-b", "-us", "-uc"]);
rmSync(tree, { recursive: true });
for (const name of readdirSync(out)) console.log(join("dist/deb", basename(name)));

/** Runs a command in the copy, which must end with one of the codes; returns which. */
function run(command, args, good = [0]) {
  const { status, error } = spawnSync(command, args, { cwd: tree, stdio: "inherit" });
  if (error?.code === "ENOENT") fail(`no ${command}: apt-get install dpkg-dev debhelper`);
  if (!good.includes(status)) fail(`${command} ${args.join(" ")} ended with ${status}`);
  return status;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
