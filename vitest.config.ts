import { relative } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** A file for a machine-readable report, beside what is shown: see `.ci/run`. */
const report = process.env.DRAGONFLY_TEST_REPORT;

/** They take all that a machine has: beside them others would fail by time-outs. */
const alone = [
  "tests/chaos/chaos.test.ts",
  "tests/fuzz/fuzz.test.ts",
  "tests/interop/stand_ins.test.ts",
];
/** Milliseconds: only bounds what hangs, on a machine that has ten times as much to do as it has processors for. */
const PATIENCE_MS = 180_000;
/** How often a test that failed is tried again. */
const retry = Number(process.env.DRAGONFLY_TEST_RETRIES ?? 0);
const others = ["node_modules/**", "dist/**"];

/** Those that take the longest, the longest first: begun last, one would run on when all others are done. */
const longest = [
  "packaging/packages",
  "e2e/several_supernodes",
  "e2e/swarm",
  "e2e/supernode_lost",
  "e2e/swarm_seeded",
  "e2e/skopeo_pull",
  "e2e/peer_lost",
  "e2e/dfget_sizes",
  "conformance/our_dfget",
  "command_lines/dfget_limits",
].map((name) => `tests/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.indexOf(relative(import.meta.dirname, moduleId));
      return found < 0 ? longest.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}

export default defineConfig({
  test: {
    // The end-to-end tests start real programs, and wait a good part of their time: two cores carry three of
    // them, not many more.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
    projects: [
      {
        test: {
          name: "side by side",
          include: ["**/*.test.ts"],
          exclude: [...others, ...alone],
          retry,
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "alone",
          include: alone,
          exclude: others,
          maxWorkers: 1,
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
