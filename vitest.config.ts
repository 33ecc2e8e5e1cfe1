import { defineConfig } from "vitest/config";

/** A file for a machine-readable report, beside what is shown: see `.ci/run`. */
const report = process.env.DRAGONFLY_TEST_REPORT;

/** They take all that a machine has: beside them others would fail by time-outs. */
const alone = [
  "tests/chaos/chaos.test.ts",
  "tests/fuzz/fuzz.test.ts",
  "tests/interop/stand_ins.test.ts",
];
const others = ["node_modules/**", "dist/**"];

export default defineConfig({
  test: {
    // The end-to-end tests start real programs, and wait a good part of their time: two cores carry three of
    // them, not many more.
    maxWorkers: 3,
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
    projects: [
      {
        test: {
          name: "side by side",
          include: ["**/*.test.ts"],
          exclude: [...others, ...alone],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "alone",
          include: alone,
          exclude: others,
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
