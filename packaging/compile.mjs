// `deno task compile`: makes binaries of the bundled programs, dist/compiled/supernode and the others.
// Deno needs its runtime part for that, denort: it fetches it, or takes the file that DENORT_BIN names.
// Ends with 3 where denort cannot be had.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";

const DENO = "node_modules/.bin/deno";
const OUT = "dist/compiled";
const NO_DENORT = 3;
/** As the launcher has it, which does the same without a binary. */
const [V8_FLAGS] = readFileSync("packaging/launcher.sh", "utf8").match(/--v8-flags=\S+/);

rmSync(OUT, { recursive: true, force: true });
const unfinished = `${OUT}.unfinished`;
rmSync(unfinished, { recursive: true, force: true });
mkdirSync(unfinished, { recursive: true });
for (const program of ["supernode", "dfdaemon", "dfget", "dfctl", "check_dragonfly"]) {
  const flags = [
    "compile",
    "--quiet",
    "--allow-all",
    "--no-config",
    "--no-check",
    "--no-npm",
    V8_FLAGS,
  ];
  const target = ["--output", `${unfinished}/${program}`, `dist/${program}.js`];
  const { status, stderr } = spawnSync(DENO, [...flags, ...target], {
    encoding: "utf8",
    stdio: ["ignore", "inherit", "pipe"],
  });
  if (status === 0) {
    const made = spawnSync(`${unfinished}/${program}`, ["version"], { encoding: "utf8" });
    if (made.stdout?.startsWith(`${program} `)) continue;
    process.stderr.write(`the binary made of ${program} does not run: is DENORT_BIN a denort?\n`);
    process.exit(1);
  }
  rmSync(unfinished, { recursive: true, force: true });
  // Deno asks for the file by its name, from a server or from a path.
  if (!/denort|base binary/i.test(stderr)) {
    process.stderr.write(stderr);
    process.exit(1);
  }
  process.stderr.write(
    "no binaries: deno compile cannot have its runtime part, denort; let this machine reach Deno's releases, or name the file in DENORT_BIN\n",
  );
  process.exit(NO_DENORT);
}
renameSync(unfinished, OUT);
