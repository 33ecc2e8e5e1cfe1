// Loaded before a program under test (`node --import`, `deno run --preload`). Lets the test set its clock, and count what
// keeps its event loop alive. A program of ours reads the time of day from Date alone; what a monotonic
// clock says does not jump on a real machine either.
import { readFileSync, writeFileSync } from "node:fs";

const { CHAOS_CLOCK, CHAOS_COUNTS } = process.env;
const RealDate = Date;
let offsetMs = 0;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + offsetMs] : args, newTarget),
  get: (target, key) =>
    key === "now" ? () => RealDate.now() + offsetMs : Reflect.get(target, key),
});

if (CHAOS_CLOCK) {
  const read = () => {
    try {
      offsetMs = Number(readFileSync(CHAOS_CLOCK, "utf8")) || 0;
    } catch {
      // Not set, or no descriptor is left to read it by: it stays as it is.
    }
  };
  read();
  setInterval(read, 50).unref();
}

if (CHAOS_COUNTS) {
  process.on("SIGUSR2", () => {
    const counts = {};
    for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
    writeFileSync(CHAOS_COUNTS, JSON.stringify(counts));
  });
}
