import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { bundleForBoth, RUNTIMES } from "./testing/both_runtimes.ts";

const run = promisify(execFile);
/** Small enough for buffers to lie in the heap, as the packages' units have it. */
const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "131072" };

it("gives the system back what lies free beneath something that is held, on Deno", async () => {
  const [command, ...args] = RUNTIMES.deno;
  const flags = [...args, "--v8-flags=--expose-gc", await bundleForBoth("let_go"), "100"];
  const { stdout } = await run(command!, flags, { env });
  const { less, freed } = JSON.parse(stdout);
  expect(freed).toBe(true);
  expect(less).toBeGreaterThan(30_000_000);
});

it("leaves it to Node what Node does with its memory", async () => {
  const [command, ...args] = RUNTIMES.node;
  const flags = [...args, "--expose-gc", await bundleForBoth("let_go"), "1"];
  const { stdout } = await run(command!, flags, { env });
  expect(JSON.parse(stdout).freed).toBe(false);
});
