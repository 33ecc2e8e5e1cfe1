// What is run on the other runtimes, and which part of it.
import { readdirSync } from "node:fs";
import { resolve } from "node:path";

const TESTS = resolve(import.meta.dirname, "..");
/** Folders of `tests/` whose tests start our programs as a user does, and are run on all runtimes. */
const FOLDERS = ["bad_input", "e2e"];
/** What differs most between runtimes: TLS within TLS, signals, files, detached processes. */
export const CORE = ["e2e/one_node", "e2e/reload", "e2e/supernode_restart", "e2e/wikimedia"];
const SEEDS = 25;

const FILES = FOLDERS.flatMap((folder) =>
  readdirSync(`${TESTS}/${folder}`)
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `${folder}/${file.replace(".test.ts", "")}`)
    .sort(),
);

/**
 * Part `k` of `n` of the test files and of the seeds of chaos: the parts together are all, each once.
 *
 * @param without files that are left out before the others are dealt
 * @returns `seeds`: the first one, and how many
 */
export function partOf(k, n, without = []) {
  const files = FILES.filter((file) => !without.includes(file));
  const before = (part) => Math.floor((SEEDS * part) / n);
  return {
    files: files.filter((_, index) => index % n === k - 1),
    seeds: { first: 1 + before(k - 1), count: before(k) - before(k - 1) },
  };
}
