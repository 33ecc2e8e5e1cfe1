import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { bundleForBoth, RUNTIMES } from "./testing/both_runtimes.ts";

/** A server that answers the first request of a connection alone. */
async function answeringOnce() {
  const asked: Socket[] = [];
  const server = createServer((request, response) => {
    request.resume();
    asked.push(request.socket);
    if (asked.length === 1) response.end("an answer");
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked };
}

// Both, whatever the others run on: the runtimes differ in this.
it.each([
  ["node", "by its signal", /^TimeoutError: /],
  ["node", "by silence", /^HttpError: .*nothing received for 300 ms$/],
  ["deno", "by its signal", /^TimeoutError: /],
  ["deno", "by silence", /^HttpError: .*nothing received for 300 ms$/],
] as const)("on %s a request on a kept connection ends %s", async (runtime, ends, said) => {
  const program = await bundleForBoth("silent_server");
  const { url, asked } = await answeringOnce();
  const [command, ...args] = RUNTIMES[runtime];
  const options = { timeout: 60_000 };
  const { stdout } = await promisify(execFile)(command!, [...args, program, ends, url], options);
  expect(stdout).toMatch(said);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBe(asked[0]);
});
