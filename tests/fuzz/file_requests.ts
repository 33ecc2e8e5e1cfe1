import type { Dice } from "./dice.ts";
import type { Facts } from "./facts.ts";
import { hostileHeader, query, value, wayOut } from "./hostile.ts";
import type { HttpRequest } from "./http_request.ts";

const RANGES = [
  "bytes=0-4194303",
  "bytes=0-0",
  "bytes=1-5",
  "bytes=5-2",
  "bytes=0-",
  "bytes=-5",
  "bytes=-0",
  "bytes=0-1,3-4",
  "bytes=99999999999999999999-",
  "bytes=0-99999999999999999999",
  "pieces=0-1",
];

function rangeHeader(dice: Dice): string {
  return dice.chance(0.8) ? dice.pick(RANGES) : hostileHeader(dice);
}

/** A request to the supernode's file port (protocol §2). */
export function fileRequest(dice: Dice, { task, copyPath }: Facts): HttpRequest {
  const prefix = task.id.slice(0, 3);
  const target = dice.chance(0.4)
    ? copyPath
    : dice.pick([
        `/download/${prefix}/${task.id}`,
        `/download/${prefix}/${task.id}/${value(dice, dice.hex(48))}`,
        `/download/${value(dice, prefix)}/${value(dice, task.id)}/${value(dice, copyPath.split("/").at(-1)!)}`,
        `/download/${wayOut(dice)}`,
        `/${wayOut(dice)}`,
        `${copyPath}${wayOut(dice)}`,
        `http://foreign.test${copyPath}`,
      ]);
  return {
    method: dice.pick(["GET", "GET", "GET", "GET", "HEAD", "POST"]),
    target,
    headers: [
      ...(dice.chance(0.8) ? [["Range", rangeHeader(dice)] as const] : []),
      ...(dice.chance(0.3) ? [["cdnSource", dice.pick(["source", "SOURCE", "x"])] as const] : []),
    ],
  };
}

/** A request to a peer server (protocol §2). */
export function peerRequest(dice: Dice, facts: Facts): HttpRequest & { endless?: boolean } {
  const request = dice.oneOf(PEER_CALLS)(dice, facts);
  if (dice.chance(0.05))
    return { ...request, method: dice.pick(["POST", "PUT", "DELETE", "HEAD"]) };
  if (dice.chance(0.03)) return { ...request, target: `http://foreign.test${request.target}` };
  return request;
}

const PEER_CALLS: Readonly<
  Record<string, (dice: Dice, facts: Facts) => HttpRequest & { endless?: boolean }>
> = {
  "a piece": (dice, { peerFile }) => ({
    method: "GET",
    target: `/peer/file/${value(dice, peerFile)}`,
    headers: [
      ["Range", rangeHeader(dice)],
      ["pieceNum", dice.chance(0.8) ? String(dice.int(2)) : hostileHeader(dice)],
      ["pieceSize", dice.chance(0.8) ? dice.pick(["4194304", "1048576"]) : hostileHeader(dice)],
      ...(dice.chance(0.5) ? [["cdnSource", "source"] as const] : []),
    ],
  }),
  "what it has": (dice, { peerFile }) => {
    const name = value(dice, peerFile);
    return {
      method: "GET",
      target: `/peer/swarm/${name}?${query(dice, {
        cid: value(dice, "127.0.0.1-1-1700000000.1"),
        ip: "127.0.0.1",
        port: value(dice, "1"),
        path: value(dice, "/peer/file/x"),
        near: value(dice, "true"),
      })}`,
      endless: name === peerFile,
    };
  },
  rate: (dice, { peerFile }) => ({
    method: "GET",
    target: `/rate/${value(dice, peerFile)}`,
    headers: [["rateLimit", dice.chance(0.7) ? "1000" : hostileHeader(dice)]],
  }),
  check: (dice) => ({
    method: "GET",
    target: `/check/${value(dice, `f${dice.int(500)}-1-1700000000.1`)}`,
    headers: [
      ["dataDir", dice.chance(0.5) ? "/nowhere" : hostileHeader(dice)],
      ["totalLimit", dice.chance(0.7) ? "0" : hostileHeader(dice)],
    ],
  }),
  finish: (dice) => ({
    method: "GET",
    target: `/client/finish?${query(dice, {
      taskFileName: value(dice, `f${dice.int(500)}-1-1700000000.1`),
      cid: value(dice, "x"),
      taskID: value(dice, "x"),
      superNode: "127.0.0.1:1",
    })}`,
  }),
  ping: () => ({ method: "GET", target: "/server/ping" }),
  elsewhere: (dice) => ({
    method: "GET",
    target: dice.pick(["/", "/peer/file/", "/peer/"]) + wayOut(dice),
  }),
};
