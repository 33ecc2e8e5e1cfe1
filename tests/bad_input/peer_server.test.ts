import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../support/addresses.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { startSupernode } from "../support/supernode.ts";
import { itSurvivesBrokenHttp } from "./broken_http.ts";
import { HOSTILE_VALUES } from "./hostile_values.ts";
import { type Place, type RawRequest, sendRaw } from "./raw_request.ts";
import { type Expected, query, tryAll } from "./try_values.ts";

let scratch: Scratch;
let peer: Place;
/** A file that the peer server has, and its directory. */
let known: string;
let data: string;

beforeAll(async () => {
  scratch = await Scratch.open("bad-input-peer");
  const source = await Source.start(scratch);
  const supernode = await startSupernode(scratch, { cdnPattern: "local" });
  const host = await dfgetHost(scratch);
  peer = { address: host.address, port: await freePort(host.address) };
  const args = ["-u", source.add("known", 5 * MB).url, "-o", "out", "-n", supernode.node];
  const dfget = startDfget(scratch, host, [...args, "--port", String(peer.port)]);
  expect(await dfget.finished()).toMatchObject({ code: 0 });
  data = join(host.home, "data");
  known = (await readdir(data))
    .find((name) => name.endsWith(".service"))!
    .replace(/\.service$/, "");
  // As a program of v1 announces it: from now on its name needs no pass.
  await sendRaw(peer, { target: `/check/${known}` });
});
afterAll(() => scratch?.close());
afterEach(async () => {
  const ping = await sendRaw(peer, { target: "/server/ping" });
  expect(ping).toMatchObject({ status: 200, body: "success" });
});

/** Values that a header may hold, as they would stand in a URL. */
function asHeader(value: string): string {
  return value
    .replaceAll("%0d%0a", " ")
    .replace(/%([0-9a-f]{2})/g, (_, hex) =>
      hex === "00" ? "" : String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

interface HeaderRoute extends Expected {
  target: string;
  right: () => Record<string, string>;
}

const PIECE = { Range: "bytes=0-4194303", pieceNum: "0", pieceSize: "4194304" };

const HEADER_ROUTES: readonly HeaderRoute[] = [
  { target: "/peer/file/{}", right: () => ({ ...PIECE }), statuses: [400] },
  { target: "/rate/{}", right: () => ({ rateLimit: "1000" }), statuses: [400] },
  // As in v1, a limit that is none changes nothing; where the file lies is looked at when it is asked for.
  { target: "/check/{}", right: () => ({ totalLimit: "0" }), statuses: [200] },
  { target: "/check/{}", right: () => ({ dataDir: data }), statuses: [200] },
];

describe("a header that makes no sense", () => {
  it.each(HEADER_ROUTES)("$target", async ({ target, right, ...expected }) => {
    const requests: Record<string, RawRequest> = {};
    for (const name of Object.keys(right())) {
      for (const [what, value] of Object.entries(HOSTILE_VALUES)) {
        const headers = { ...right(), [name]: asHeader(value) };
        requests[`${name}: ${what}`] = { target: target.replace("{}", known), headers };
      }
    }
    await tryAll(peer, requests, expected);
  });

  it.each<[string, Record<string, string>, number]>([
    ["no headers at all", {}, 400],
    ["no Range", { pieceNum: "0", pieceSize: "4194304" }, 400],
    ["a range back to front", { ...PIECE, Range: "bytes=5-2" }, 400],
    ["a range without end", { ...PIECE, Range: "bytes=0-" }, 400],
    ["a range of the end", { ...PIECE, Range: "bytes=-5" }, 400],
    ["several ranges", { ...PIECE, Range: "bytes=0-1,5-6" }, 400],
    ["less than a frame", { ...PIECE, Range: "bytes=0-1" }, 400],
    ["more than there can be", { ...PIECE, Range: "bytes=0-999999999999999" }, 400],
    ["beyond 2^53", { ...PIECE, Range: "bytes=0-99999999999999999999" }, 400],
    ["a piece beyond the end", { ...PIECE, Range: "bytes=83886080-88080383", pieceNum: "20" }, 416],
    ["a number that is not the range's", { ...PIECE, pieceNum: "9999999999" }, 400],
    ["a piece size of nothing", { ...PIECE, pieceSize: "0" }, 400],
    ["another source", { ...PIECE, cdnSource: "nonsense" }, 206],
  ])("a piece with %s", async (_what, headers, status) => {
    const answer = await sendRaw(peer, { target: `/peer/file/${known}`, headers });
    expect([answer.status, answer.body.length > 0]).toEqual([status, true]);
  });
});

describe("a name that makes no sense", () => {
  it("/peer/file/{}", async () => {
    const requests = Object.entries(HOSTILE_VALUES).map(
      ([what, value]) => [what, { target: `/peer/file/${value}`, headers: PIECE }] as const,
    );
    await tryAll(peer, Object.fromEntries(requests), {
      statuses: [404, 500],
      because: "a Go client takes 404 for a file that was there, and reports FILE_NOT_EXIST",
    });
  });

  it("/rate/{}", async () => {
    const requests = Object.entries(HOSTILE_VALUES).map(
      ([what, value]) => [what, { target: `/rate/${value}`, headers: { rateLimit: "5" } }] as const,
    );
    // v1 gives an unknown file the rate it asks for.
    await tryAll(peer, Object.fromEntries(requests), { statuses: [200, 404] });
  });

  it("/check/{}", async () => {
    const names = Object.entries(HOSTILE_VALUES).map(
      ([what, value]) =>
        [what, { target: `/check/${value}`, headers: { dataDir: "/etc" } }] as const,
    );
    await tryAll(peer, Object.fromEntries(names), { statuses: [400, 404] });
  });

  it("/client/finish", async () => {
    const right = { taskFileName: "a", cid: "b", taskID: "c", superNode: "127.0.0.1:1" };
    const requests: Record<string, RawRequest> = { "no query": { target: "/client/finish" } };
    for (const name of Object.keys(right)) {
      for (const [what, value] of Object.entries(HOSTILE_VALUES)) {
        const target = `/client/finish?${query({ ...right, [name]: value })}`;
        requests[`${name}: ${what}`] = { target };
      }
    }
    // v1 says success of files that it does not know, too.
    const expected = { statuses: [200, 400] };
    await tryAll(peer, requests, expected);
  });
});

describe("a file that is no download's", () => {
  it.each(["unit", "unit-1", "..%2funit-1-2", "unit%00-1-2"])(
    "is not taken on as %s",
    async (name) => {
      const elsewhere = await scratch.directory("elsewhere");
      await writeFile(join(elsewhere, "unit.service"), "a service of this host");
      const check = { target: `/check/${name}`, headers: { dataDir: elsewhere, totalLimit: "0" } };
      expect((await sendRaw(peer, check)).status).toBeGreaterThanOrEqual(400);
      const asked = await sendRaw(peer, { target: `/peer/file/${name}`, headers: PIECE });
      expect(asked.status).toBeGreaterThanOrEqual(400);
      expect(asked.body).not.toContain("a service");
    },
  );
});

describe("a way of asking that a route does not know", () => {
  const METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
  it.each([
    ...["/peer/file/x", "/rate/x", "/check/x", "/client/finish", "/server/ping"],
    ...["/healthz", "/readyz"],
  ])("%s", async (target) => {
    const requests = METHODS.map((method) => [method, { method, target }] as const);
    await tryAll(peer, Object.fromEntries(requests), { statuses: [405] });
  });

  it("another path", async () => {
    const targets = ["/", "/peer", "/peer/file", "/server", "/nope", "//etc/passwd", "/%zz", "/.."];
    const requests = targets.map((target) => [target, { target }] as const);
    await tryAll(peer, Object.fromEntries(requests), { statuses: [404] });
  });
});

describe("broken HTTP", () => itSurvivesBrokenHttp(() => peer));
