// `npm run fuzz -- --requests 100000 --seed 7`
import { runBundled } from "../support/run_bundled.mjs";

await runBundled(import.meta.dirname);
