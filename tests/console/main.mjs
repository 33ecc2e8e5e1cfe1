// `npm run screenshots`
import { runBundled } from "../support/run_bundled.mjs";

await runBundled(import.meta.dirname, { external: ["playwright-core"] });
