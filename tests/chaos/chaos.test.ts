import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";

const SEEDS = 25;
/** ms: only bounds a run that hangs. */
const LIMIT_MS = 1_800_000;

describeWithPrograms(
  "chaos",
  { programs: ["skopeo", "docker-registry", "ip", "nft", "unshare"], root: true, namespaces: true },
  () => {
    it(`costs nobody a pull: ${SEEDS} schedules`, { timeout: LIMIT_MS }, async () => {
      const scratch = await Scratch.open("chaos-test");
      try {
        const program = join(import.meta.dirname, "main.mjs");
        const command = [process.execPath, program, "--busy", "--seeds", `${SEEDS}`];
        const finished = await run(scratch, command, { env: { HOME: scratch.dir } });
        console.log(finished.output);
        expect(finished, finished.output).toMatchObject({ code: 0 });
        expect(finished.output).toContain(`${SEEDS} schedules, 0 failed`);
      } finally {
        await scratch.close();
      }
    });
  },
);
