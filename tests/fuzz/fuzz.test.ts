import { expect, it, onTestFinished } from "vitest";
import { Scratch } from "../support/scratch.ts";
import { fuzz } from "./fuzz.ts";

// The long run is `npm run fuzz`: see docs/reliability.md.
it("every port takes whatever is sent to it", { timeout: 300_000 }, async () => {
  const scratch = await Scratch.open("fuzz");
  onTestFinished(() => scratch.close());
  const outcomes = await fuzz(scratch, { requests: 2000, seed: 1 });
  expect(outcomes.map(({ name }) => name)).toEqual([
    "supernode",
    "supernode's files",
    "dfdaemon",
    "dfdaemon by TLS",
    "TLS in CONNECT",
    "dfdaemon's peer server",
    "dfget's peer server",
  ]);
  for (const { name, requests, answers, problems } of outcomes) {
    expect({ name, problems }).toEqual({ name, problems: [] });
    // Most of what is sent is answered, and not refused on the connection.
    expect(answers).toBeGreaterThan(requests / 5);
  }
});
