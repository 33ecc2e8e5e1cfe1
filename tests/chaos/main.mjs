// `npm run chaos -- --seeds 300`
import { runBundled } from "../support/run_bundled.mjs";

await runBundled(import.meta.dirname, { others: ["runner_program.ts"] });
