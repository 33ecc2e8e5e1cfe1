import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { itSurvivesBrokenHttp } from "./broken_http.ts";
import { HOSTILE_VALUES } from "./hostile_values.ts";
import { type Place, sendBytes, sendRaw } from "./raw_request.ts";
import { tryAll } from "./try_values.ts";

const ENDPOINTS = ["/args", "/debug/version", "/env", "/healthz", "/metrics", "/readyz"];

let scratch: Scratch;
let dfdaemon: RunningProgram;
let place: Place;

beforeAll(async () => {
  scratch = await Scratch.open("bad-input-dfdaemon");
  const address = freshAddress();
  place = { address, port: await freePort(address) };
  dfdaemon = RunningProgram.start(scratch, [
    ...ourProgram("dfdaemon"),
    ...["--hostIp", address, "--port", String(place.port), "--node", "127.0.0.1:1"],
    ...["--workHome", join(scratch.dir, "home"), "--registry", "http://127.0.0.1:1"],
  ]);
  await dfdaemon.until("it listens", () => accepts(address, place.port));
});
afterAll(() => scratch?.close());
afterEach(async () => {
  expect(dfdaemon.running).toBe(true);
  expect((await sendRaw(place, { target: "/healthz" })).status).toBe(200);
});

describe("dfdaemon's own endpoints", () => {
  it.each(ENDPOINTS)("%s answers GET only", async (target) => {
    const methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
    const requests = methods.map((method) => [method, { method, target, body: "x" }] as const);
    await tryAll(place, Object.fromEntries(requests), { statuses: [405] });
  });

  it.each(ENDPOINTS)("%s does not look at a query", async (target) => {
    const requests = Object.entries(HOSTILE_VALUES).map(
      ([what, value]) => [what, { target: `${target}?x=${value}` }] as const,
    );
    await tryAll(place, Object.fromEntries(requests), { statuses: [200] });
  });
});

describe("what is neither a URL nor a path", () => {
  it.each([
    "http://",
    "http://[::1/x",
    "http://a:99999/x",
    "http://a b/x",
    "ftp://127.0.0.1/x",
    "nonsense",
    "*",
  ])("GET %s", async (target) => {
    const answer = await sendRaw(place, { target });
    expect(answer.status).toBe(400);
  });

  it.each([
    "",
    "x",
    "x:",
    "x:0",
    "x:99999",
    ":443",
    "[::1]",
    "http://x/",
    "x:443/y",
    "a@b:443",
    "%00:443",
  ])("CONNECT %s", async (target) => {
    const bytes = `CONNECT ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect((await sendBytes(place, Buffer.from(bytes))).status).toBe(400);
  });

  it.each(["..%2f", "a/b", "a b", "%00", "a:b:c", "-".repeat(10_000), "__proto__@x"])(
    "a mirrored request with ?ns=%.20s",
    async (ns) => {
      const answer = await sendRaw(place, { target: `/v2/?ns=${encodeURIComponent(ns)}` });
      expect(answer.status).toBe(400);
    },
  );
});

describe("broken HTTP", () => itSurvivesBrokenHttp(() => place, "/healthz"));
