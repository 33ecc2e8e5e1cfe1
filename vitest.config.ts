import { defineConfig } from "vitest/config";

/** A file for a machine-readable report, beside what is shown: see `.ci/run`. */
const report = process.env.DRAGONFLY_TEST_REPORT;

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", "dist/**"],
    // The end-to-end tests start real programs: two cores do not carry many of them at once.
    maxWorkers: 2,
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
