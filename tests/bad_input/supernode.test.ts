import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { until } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";
import { itSurvivesBrokenHttp } from "./broken_http.ts";
import { HOSTILE_BODIES, HOSTILE_VALUES } from "./hostile_values.ts";
import { type Place, type RawRequest, sendRaw } from "./raw_request.ts";
import { type Expected, query, tryAll } from "./try_values.ts";

const MB = 1024 * 1024;
const JSON_TYPE = { "Content-Type": "application/json" };

let scratch: Scratch;
let supernode: Supernode;
let api: Place;
let files: Place;
let source: Source;
/** A client that is registered, and its task. */
const known = { cid: "127.0.0.9-1-1795513300.123", taskId: "", path: "" };

beforeAll(async () => {
  scratch = await Scratch.open("bad-input-supernode");
  source = await Source.start(scratch);
  supernode = await startSupernode(scratch, { cdnPattern: "local" });
  const { base } = parse(await readFile(join(supernode.home, "supernode.yml"), "utf8"));
  api = { address: supernode.address, port: base.listenPort };
  files = { address: supernode.address, port: base.downloadPort };
  const registered = await sendRaw(api, registration({}));
  known.taskId = JSON.parse(registered.body).data.taskId;
  await until("a piece of the supernode's copy is handed out", async () => {
    const query = `srcCid=${known.cid}&taskId=${known.taskId}&status=700&result=502`;
    const { body } = await sendRaw(api, { target: `/peer/task?${query}` });
    known.path = JSON.parse(body).data?.[0]?.path ?? "";
    return known.path !== "";
  });
});
afterAll(() => scratch?.close());
afterEach(async () => {
  expect(supernode.process.running).toBe(true);
  expect(await sendRaw(api, { target: "/_ping" })).toMatchObject({ status: 200, body: "OK" });
});

/** A registration that is right but for what is changed. */
function registration(changed: Record<string, unknown>): RawRequest {
  const fields = {
    superNodeIp: "127.0.0.1",
    rawUrl: source.add("known", 1000).url,
    cid: known.cid,
    ip: "127.0.0.9",
    hostName: "h",
    port: 15001,
    path: "/peer/file/x",
    ...changed,
  };
  return {
    method: "POST",
    target: "/peer/registry",
    headers: JSON_TYPE,
    body: JSON.stringify(fields),
  };
}

/** A route that is asked by its query. */
interface QueryRoute extends Expected {
  target: string;
  /** A request that is right, of which one value at a time is replaced. */
  right: () => Record<string, string>;
}

const ENDS_IN_ENVELOPE: Expected = { statuses: [200] };

const QUERY_ROUTES: readonly QueryRoute[] = [
  {
    target: "/peer/task",
    right: () => ({
      srcCid: known.cid,
      dstCid: "",
      range: "0-4194303",
      result: "503",
      status: "701",
      taskId: known.taskId,
    }),
    // Codes 501 and 502 in the envelope, by which clients go.
    ...ENDS_IN_ENVELOPE,
  },
  {
    target: "/peer/piece/suc",
    right: () => ({
      taskId: known.taskId,
      cid: known.cid,
      dstCid: "x",
      pieceRange: "0-4194303",
    }),
    statuses: [200, 400, 500],
    because: "dfget tries again to report a piece, up to 3 times, where it is not taken",
  },
  {
    target: "/peer/service/down",
    right: () => ({ taskId: "x", cid: known.cid }),
    statuses: [400, 500],
    because: "the peer server logs what a supernode does not know",
  },
  {
    target: "/peer/piece/error",
    right: () => ({
      taskId: known.taskId,
      srcCid: known.cid,
      dstCid: "x",
      dstIp: "127.0.0.9",
      range: "0-4194303",
      realMd5: "x",
      expectedMd5: "y",
      errorType: "FILE_NOT_EXIST",
    }),
    // v1 answers whatever is reported with an empty 200.
    statuses: [200],
  },
  { target: "/api/v1/peers", right: () => ({ pageNum: "0", pageSize: "1" }), statuses: [200, 400] },
  {
    target: "/api/v1/tasks/x/pieces/0-1/error",
    right: () => ({ dstPid: "x", taskId: "x", range: "0-1" }),
    statuses: [200, 400],
  },
  { target: "/_ping", right: () => ({ x: "1" }), statuses: [200] },
  { target: "/version", right: () => ({ x: "1" }), statuses: [200] },
  { target: "/metrics", right: () => ({ x: "1" }), statuses: [200] },
];

describe("a value of a query that makes no sense", () => {
  it.each(QUERY_ROUTES)("$target", async ({ target, right, ...expected }) => {
    const requests: Record<string, RawRequest> = { "no query": { target } };
    for (const name of Object.keys(right())) {
      for (const [what, value] of Object.entries(HOSTILE_VALUES)) {
        const changed = { ...right(), [name]: value };
        requests[`${name}: ${what}`] = { target: `${target}?${query(changed)}` };
      }
      const { [name]: _, ...rest } = right();
      requests[`no ${name}`] = { target: `${target}?${query(rest)}` };
    }
    await tryAll(api, requests, expected);
  });
});

describe("an id in a path that makes no sense", () => {
  it.each<[string, string, Expected]>([
    ["GET", "/api/v1/peers/{}", { statuses: [404] }],
    ["DELETE", "/api/v1/peers/{}", { statuses: [404] }],
    ["GET", "/api/v1/tasks/{}", { statuses: [404] }],
    // As in v1: gone is gone. (404 where the id is empty.)
    ["DELETE", "/api/v1/tasks/{}", { statuses: [200, 404] }],
    // A URL with a long text in it twice is longer than a server takes.
    ["GET", "/api/v1/tasks/{}/pieces/{}/error?dstPid=x", { statuses: [200, 404, 414] }],
    ["GET", "/preheats/{}", { statuses: [200, 404] }],
    ["DELETE", "/preheats/{}", { statuses: [200, 404] }],
    ["GET", "/api/v1/preheats/{}", { statuses: [200, 404] }],
  ])("%s %s", async (method, target, expected) => {
    const requests = Object.entries(HOSTILE_VALUES).map(
      ([what, value]) => [what, { method, target: target.replaceAll("{}", value) }] as const,
    );
    await tryAll(api, Object.fromEntries(requests), expected);
  });
});

/** By an error v1's dfget knows that it must go to the source. */
const REGISTRATION: Expected = {
  statuses: [500],
  because: "dfget goes to the source where a registration is refused by 500",
};

/** The routes that take a body. */
const BODY_ROUTES: readonly [target: string, limit: number, expected: Expected][] = [
  ["/peer/registry", 4 * MB, REGISTRATION],
  ["/v1.0/peer/registry", 4 * MB, REGISTRATION],
  ["/task/metrics", 4 * MB, { statuses: [200, 400] }],
  ["/api/v1/peers", 64 * 1024, { statuses: [400, 413] }],
  ["/preheats", MB, { statuses: [400, 413] }],
  ["/api/v1/preheats", MB, { statuses: [400, 413] }],
  ["/swarm/heartbeat", 4 * MB, { statuses: [400, 413] }],
  ["/swarm/digests", 4 * MB, { statuses: [400, 413] }],
  ["/control/reachable", 4 * 1024, { statuses: [400, 413] }],
  ["/control/drain", 4 * 1024, { statuses: [400, 413] }],
];

/** v1 answers these with nothing in them, and reads none of the body. */
const BODY_UNREAD = ["/peer/network", "/peer/heartbeat"];

describe("a body that makes no sense", () => {
  it.each(BODY_ROUTES)("POST %s", async (target, _limit, expected) => {
    const requests: Record<string, RawRequest> = {};
    for (const [what, body] of Object.entries(HOSTILE_BODIES)) {
      for (const type of ["application/json", "application/x-www-form-urlencoded", "text/plain"]) {
        const headers = { "Content-Type": type };
        requests[`${what}, ${type}`] = { method: "POST", target, headers, body };
      }
    }
    requests["no content type"] = { method: "POST", target, body: "{" };
    await tryAll(api, requests, expected);
  });

  it.each(BODY_UNREAD)("POST %s reads none of it", async (target) => {
    const requests = Object.entries(HOSTILE_BODIES).map(
      ([what, body]) => [what, { method: "POST", target, headers: JSON_TYPE, body }] as const,
    );
    await tryAll(api, Object.fromEntries(requests), { statuses: [200] });
  });

  it.each(BODY_ROUTES)("POST %s: 413 where it is too long", async (target, limit) => {
    const body = `{"cid":"${"x".repeat(limit)}"}`;
    const request = { method: "POST", target, headers: JSON_TYPE, body };
    const requests = { announced: request, "in chunks": { ...request, chunked: true } };
    await tryAll(api, requests, { statuses: [413] });
  });

  it.each(["/peer/network", "/peer/heartbeat"])("POST %s is not looked at", async (target) => {
    const requests = Object.entries(HOSTILE_BODIES).map(
      ([what, body]) => [what, { method: "POST", target, headers: JSON_TYPE, body }] as const,
    );
    await tryAll(api, Object.fromEntries(requests), { statuses: [200] });
  });
});

describe("a field of a registration that makes no sense", () => {
  it.each<[string, unknown[]]>([
    [
      "rawUrl",
      ["", "x", "ftp://x/y", "file:///etc/passwd", "http://", "http://[::1", 5, null, "http://a b"],
    ],
    ["taskUrl", ["x", "ftp://x/y", 5]],
    ["cid", ["", 5, null, "x".repeat(2000)]],
    ["ip", ["", "x", "1.2.3", "1.2.3.4.5", "::1", "999.1.1.1", 5]],
    ["port", [1, 80, 14999, 65001, -1, 1.5, 2 ** 60, "x", "15001x", true]],
    ["hostName", [5, "x".repeat(2000)]],
    ["path", [5, {}, "x".repeat(2000)]],
    ["headers", ["x", [1], [["a:b"]], { a: "b" }]],
    ["rootCAs", ["x", [1]]],
    ["dfdaemon", ["maybe", 5]],
    ["insecure", ["maybe", []]],
    ["pattern", ["p3p", 5]],
    ["callSystem", [5, "x".repeat(100_000)]],
    ["identifier", [5, "x".repeat(100_000)]],
  ])("%s", async (field, values) => {
    const requests = values.map(
      (value) => [JSON.stringify(value).slice(0, 60), registration({ [field]: value })] as const,
    );
    await tryAll(api, Object.fromEntries(requests), REGISTRATION);
  });

  it("both md5 and identifier", async () => {
    const request = registration({ md5: "0".repeat(32), identifier: "x" });
    await tryAll(api, { both: request }, REGISTRATION);
  });

  it("says which one it is", async () => {
    const { body } = await sendRaw(api, registration({ port: 80 }));
    expect(JSON.parse(body)).toEqual({ code: 500, message: expect.stringContaining("port") });
  });
});

describe("a way of asking that a route does not know", () => {
  const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
  it.each([
    ["/peer/registry", ["POST"]],
    ["/peer/task", ["GET"]],
    ["/peer/piece/suc", ["GET"]],
    ["/peer/piece/error", ["GET"]],
    ["/peer/service/down", ["GET"]],
    ["/peer/network", ["POST"]],
    ["/peer/heartbeat", ["POST"]],
    ["/task/metrics", ["POST"]],
    ["/_ping", ["GET"]],
    ["/version", ["GET"]],
    ["/metrics", ["GET"]],
    ["/api/v1/peers", ["GET", "POST"]],
    ["/api/v1/peers/x", ["GET", "DELETE"]],
    ["/api/v1/tasks/x", ["GET", "DELETE"]],
    ["/api/v1/tasks/x/pieces/0-1/error", ["GET"]],
    ["/preheats", ["GET", "POST"]],
    ["/preheats/x", ["GET", "DELETE"]],
    ["/api/v1/preheats", ["GET", "POST"]],
    ["/api/v1/preheats/x", ["GET", "DELETE"]],
    ["/v1.0/peer/registry", ["POST"]],
    ["/v1.0/peer/task", ["GET"]],
    ["/v1.0/_ping", ["GET"]],
    ["/healthz", ["GET"]],
    ["/readyz", ["GET"]],
    ["/swarm/heartbeat", ["POST"]],
    ["/swarm/digests", ["POST"]],
    ["/control/status", ["GET"]],
    ["/control/tasks", ["GET"]],
    ["/control/tasks/x", ["GET", "DELETE"]],
    ["/control/peers", ["GET"]],
    ["/control/preheats/x", ["GET"]],
    ["/control/reachable", ["POST"]],
    ["/control/drain", ["POST"]],
    ["/console/events", ["GET"]],
    ["/console/preheats", ["POST"]],
  ])("%s", async (target, answered) => {
    const requests = METHODS.filter((method) => !answered.includes(method)).map(
      (method) => [method, { method, target }] as const,
    );
    await tryAll(api, Object.fromEntries(requests), { statuses: [405] });
  });

  it("HEAD, where a GET does something", async () => {
    const paths = ["task", "piece/suc", "piece/error", "service/down"].map(
      (name) => `/peer/${name}`,
    );
    const targets = [...paths, ...paths.map((path) => `/v1.0${path}`)];
    const requests = targets.map((target) => [target, { method: "HEAD", target }] as const);
    await tryAll(api, Object.fromEntries(requests), { statuses: [405] });
  });

  it("the file port", async () => {
    const target = known.path;
    const methods = METHODS.filter((method) => method !== "GET");
    const requests = methods.map((method) => [method, { method, target }] as const);
    await tryAll(files, Object.fromEntries(requests), { statuses: [405] });
  });
});

describe("the file port", () => {
  it("gives what lies under no task id to nobody", async () => {
    const id = known.taskId;
    const targets = [
      "/",
      "/download",
      "/download/",
      `/download/${id.slice(0, 3)}/`,
      `/download/${id.slice(0, 3)}/${id}`,
      `${known.path}0`,
      `/download/fff/${"e".repeat(64)}`,
      `/download/xyz/${id}`,
      `/download/${id.slice(0, 3)}/${id}.json`,
      `/download/${id.slice(0, 3)}/${id}%00`,
      `/download/${id.slice(0, 3)}/${id}/..`,
      "/download/../../supernode.yml",
      "/download/..%2f..%2f..%2fsupernode.yml",
      "/%2e%2e/%2e%2e/supernode.yml",
      "//etc/passwd",
      "/download/%ff%fe/%zz",
      `/download/${"a".repeat(3)}/${"a".repeat(20_000)}`,
    ];
    const requests = targets.map((target) => [target.slice(0, 100), { target }] as const);
    await tryAll(files, Object.fromEntries(requests), { statuses: [404] });
  });

  it.each([
    ["bytes=0-99999999999999999999999", 206],
    ["bytes=99999999999999999999-", 416],
    ["bytes=5-2", 200],
    ["bytes=-", 200],
    ["bytes=a-b", 200],
    ["bytes=0-1,3-4", 200],
    ["pieces=0-1", 200],
    ["x".repeat(5000), 200],
    // The whole of what there is; RFC 9110 wants a suffix longer than the file to be cut.
    ["bytes=-99999999999999", 206],
    ["bytes=-0", 416],
  ])("Range: %.40s → %i", async (range, status) => {
    const target = known.path;
    const answer = await sendRaw(files, { target, headers: { Range: range } });
    expect(answer.status).toBe(status);
  });
});

describe("broken HTTP on the API's port", () => itSurvivesBrokenHttp(() => api));
describe("broken HTTP on the file port", () => itSurvivesBrokenHttp(() => files));

it("survives noise", async () => {
  for (let round = 0; round < 20; round++) {
    const noise = randomBytes(2000).toString("hex");
    const answer = await sendRaw(api, { target: `/${noise}?${noise}=${noise}` });
    expect(answer.status).toBe(404);
  }
});
