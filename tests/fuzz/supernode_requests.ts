import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import type { Dice } from "./dice.ts";
import type { Facts } from "./facts.ts";
import { field, hostileBody, hostileHeader, json, query, value, wayOut } from "./hostile.ts";
import type { HttpRequest } from "./http_request.ts";

const JSON_BODY = [["Content-Type", "application/json"]] as const;

/** A call of v1's or of ours to the supernode's API (protocol §1), right or nearly so. */
export function supernodeRequest(dice: Dice, facts: Facts): HttpRequest {
  const request = dice.oneOf(CALLS)(dice, facts);
  // Mostly the method that the route has.
  if (dice.chance(0.05))
    return { ...request, method: dice.pick(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) };
  if (dice.chance(0.03)) return { ...request, target: `http://foreign.test${request.target}` };
  if (dice.chance(0.05)) return { ...request, target: `/v1.0${request.target}` };
  return request;
}

const CALLS: Readonly<Record<string, (dice: Dice, facts: Facts) => HttpRequest>> = {
  register: (dice, facts) => ({
    method: "POST",
    target: "/peer/registry",
    headers: JSON_BODY,
    body: json(dice, registration(dice, facts)),
  }),
  "register by a form": (dice, facts) => ({
    method: "POST",
    target: "/peer/registry",
    headers: [["Content-Type", "application/x-www-form-urlencoded"]],
    body: Buffer.from(query(dice, asText(registration(dice, facts)))),
  }),
  pull: (dice, facts) => ({
    method: "GET",
    target: `/peer/task?${query(dice, {
      ...ids(dice, facts, "srcCid"),
      dstCid: value(dice, "", facts.task.cid),
      range: value(dice, "", range(facts)),
      result: value(dice, "502", "503", "500"),
      status: value(dice, "700", "701", "702"),
    })}`,
  }),
  "piece success": (dice, facts) => ({
    method: "GET",
    target: `/peer/piece/suc?${query(dice, {
      ...ids(dice, facts, "cid"),
      dstCid: value(dice, facts.task.cid),
      pieceRange: value(dice, range(facts)),
    })}`,
  }),
  "piece error": (dice, facts) => ({
    method: "GET",
    target: `/peer/piece/error?${query(dice, {
      ...ids(dice, facts, "srcCid"),
      dstCid: value(dice, facts.task.cid),
      dstIp: value(dice, "127.0.0.1"),
      range: value(dice, range(facts)),
      realMd5: value(dice, "x"),
      errorType: value(dice, "FILE_NOT_EXIST", "FILE_MD5_NOT_MATCH"),
    })}`,
  }),
  "service down": (dice, facts) => ({
    method: "GET",
    target: `/peer/service/down?${query(dice, ids(dice, facts, "cid"))}`,
  }),
  nothing: (dice) => ({
    method: "POST",
    target: dice.pick(["/peer/network", "/peer/heartbeat"]),
    body: hostileBody(dice),
  }),
  report: (dice, facts) => ({
    method: "POST",
    target: "/task/metrics",
    headers: JSON_BODY,
    body: json(dice, {
      IP: "127.0.0.1",
      cID: facts.task.cid,
      callSystem: "fuzz",
      backsourceReason: "0",
      duration: 1.5,
      fileLength: 1000,
      port: 15001,
      success: true,
      taskId: facts.task.id,
    }),
  }),
  heartbeat: (dice, facts) => ({
    method: "POST",
    target: "/swarm/heartbeat",
    headers: JSON_BODY,
    body: json(dice, {
      version: SWARM_VERSION,
      tasks: [field(dice, heartbeat(dice, facts))],
    }),
  }),
  digests: (dice, facts) => ({
    method: "POST",
    target: "/swarm/digests",
    headers: JSON_BODY,
    body: json(dice, { taskId: facts.task.id, cid: facts.task.cid, blocks: [0, dice.int(1000)] }),
  }),
  peers: (dice) => ({
    method: "GET",
    target: `/api/v1/peers?${query(dice, { pageNum: value(dice, "0"), pageSize: value(dice, "5") })}`,
  }),
  "a new peer": (dice) => ({
    method: "POST",
    target: "/api/v1/peers",
    headers: JSON_BODY,
    body: json(dice, { IP: "127.0.0.1", hostName: "fuzz", port: 15001, version: "1" }),
  }),
  "one peer": (dice) => ({
    method: dice.pick(["GET", "DELETE"]),
    target: `/api/v1/peers/${value(dice, dice.hex(8))}`,
  }),
  "one task": (dice, { task }) => ({
    method: dice.pick(["GET", "GET", "DELETE"]),
    target: `/api/v1/tasks/${value(dice, task.id, dice.hex(64))}`,
  }),
  "a bad piece": (dice, facts) => ({
    method: "GET",
    target: `/api/v1/tasks/${value(dice, facts.task.id)}/pieces/${value(dice, range(facts))}/error?${query(
      dice,
      { dstPid: value(dice, "x") },
    )}`,
    ...(dice.chance(0.3) ? { body: json(dice, { dstPid: "x", taskId: facts.task.id }) } : {}),
  }),
  preheat: (dice, facts) => ({
    method: "POST",
    target: dice.pick(["/preheats", "/api/v1/preheats"]),
    headers: JSON_BODY,
    body: json(dice, {
      type: dice.pick(["file", "file", "image"]),
      url: url(dice, facts),
      filter: dice.pick(["", "a&b"]),
      headers: { Authorization: "Basic eDp5" },
      identifier: dice.pick(["", dice.hex(6)]),
    }),
  }),
  preheats: (dice) => ({
    method: dice.pick(["GET", "GET", "DELETE"]),
    target: `/preheats${dice.chance(0.1) ? "" : `/${value(dice, dice.hex(32))}`}`,
  }),
  system: (dice) => ({
    method: "GET",
    target: dice.pick([
      "/_ping",
      "/version",
      "/metrics",
      "/healthz",
      "/readyz",
      "/debug/pprof/heap",
    ]),
  }),
  elsewhere: (dice) => ({ method: "GET", target: `/${wayOut(dice)}` }),
};

function registration(dice: Dice, facts: Facts): Record<string, unknown> {
  const rawUrl = url(dice, facts);
  return {
    superNodeIp: "127.0.0.1",
    rawUrl,
    ...(dice.chance(0.5) ? { taskUrl: rawUrl } : {}),
    cid: dice.pick([facts.task.cid, `127.0.0.1-${dice.int(1000)}-1700000000.1`]),
    ip: dice.pick(["127.0.0.1", "127.0.0.2"]),
    hostName: "fuzz",
    port: 15_000 + dice.int(50_001),
    path: `/peer/file/x-${dice.int(1000)}`,
    version: "1.0.6",
    ...(dice.chance(0.2) ? { md5: dice.hex(32) } : {}),
    ...(dice.chance(0.2) ? { identifier: `i${dice.int(50)}` } : {}),
    callSystem: dice.pick(["", "fuzz", wayOut(dice)]),
    headers: [`Accept:*/*`, `X-Fuzz:${hostileHeader(dice)}`, hostileHeader(dice)].slice(
      dice.int(3),
    ),
    insecure: dice.chance(0.5),
    rootCAs: dice.pick<unknown>([[], ["bm9uc2Vuc2U="]]),
    pattern: dice.pick(["p2p", "cdn", "source"]),
    ...(dice.chance(0.5) ? { swarm: fieldsOfSwarm(dice) } : {}),
  };
}

function fieldsOfSwarm(dice: Dice): Record<string, unknown> {
  return {
    version: SWARM_VERSION,
    zone: dice.pick(["", "a", "b"]),
    held: field(dice, dice.int(3)),
    awaited: field(dice, [dice.int(3)]),
  };
}

function heartbeat(dice: Dice, { task }: Facts): Record<string, unknown> {
  const count = () => field(dice, dice.int(10));
  return {
    taskId: task.id,
    cid: dice.pick([task.cid, "x"]),
    held: count(),
    downRate: count(),
    upRate: count(),
    leases: field(dice, [
      { id: count(), done: count(), partBytes: count(), failed: field(dice, true), digests: [] },
    ]),
    wantsLeases: count(),
    starved: field(dice, [count()]),
    awaited: field(dice, [count(), count()]),
    owed: field(dice, [count()]),
    dropped: field(dice, ["x"]),
    wrong: field(dice, [{ block: count(), from: "x" }]),
    neighbours: count(),
    pieces: field(dice, "AAAA"),
    leaving: field(dice, false),
  };
}

/** Only hosts that are this one: no generated request may lead away from it. */
function url(dice: Dice, { plainOrigin, blobPath, deadPlace }: Facts): string {
  const path = value(dice, blobPath, `/f/${dice.int(50)}`, `/absent/${dice.int(20)}`);
  const base = dice.pick([plainOrigin, plainOrigin, plainOrigin, `http://${deadPlace}`]);
  return dice.pick([
    `${base}/${path}`,
    `${base}${path}?a=${dice.int(5)}&b=1`,
    `ftp://127.0.0.1${path}`,
  ]);
}

function ids(dice: Dice, { task }: Facts, cid: string): Record<string, string> {
  return {
    taskId: value(dice, task.id, dice.hex(64)),
    [cid]: value(dice, task.cid, "127.0.0.1-1-1700000000.1"),
  };
}

function range({ task }: Facts): string {
  return `0-${task.pieceSize - 1}`;
}

function asText(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, text]) => [
      name,
      encodeURIComponent(
        typeof text === "string" ? Buffer.from(text).toString() : JSON.stringify(text),
      ),
    ]),
  );
}
