import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";

const SEEDS = 25;

describeWithPrograms(
  "chaos",
  { programs: ["skopeo", "docker-registry", "ip", "nft", "unshare"], root: true, namespaces: true },
  () => {
    it(`costs nobody a pull: ${SEEDS} schedules`, { timeout: 600_000 }, async () => {
      const scratch = await Scratch.open("chaos-test");
      try {
        const program = join(import.meta.dirname, "main.mjs");
        const command = [process.execPath, program, "--seeds", String(SEEDS)];
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
