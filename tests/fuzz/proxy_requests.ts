import type { Dice } from "./dice.ts";
import type { Facts } from "./facts.ts";
import { hostileBody, hostileHeader, hostileValue, value, wayOut } from "./hostile.ts";
import type { HttpRequest } from "./http_request.ts";
import { clientHello } from "./tls_records.ts";

/** A request that dfdaemon gets from its clients (protocol §5). */
export type ProxyRequest = HttpRequest & {
  /** What follows a CONNECT request. */
  tunnelled?: Buffer;
};

/** To dfdaemon as a proxy, as a mirror, or for what it tells of itself. */
export function proxyRequest(dice: Dice, facts: Facts): ProxyRequest {
  const kinds = [connectRequest, absoluteRequest, mirrorRequest, absoluteRequest, ownRequest];
  return dice.pick(kinds)(dice, facts);
}

/** Within a connection that dfdaemon has taken over in the origin's name. */
export function hijackedRequest(dice: Dice, facts: Facts): ProxyRequest {
  const kinds = [originRequest, originRequest, absoluteRequest, connectRequest, ownRequest];
  return dice.pick(kinds)(dice, facts);
}

/** Hosts that are all this one: names that dfdaemon has an alias for, and addresses. */
function authority(dice: Dice, { plainOrigin, secureOrigin, deadPlace }: Facts): string {
  return dice.pick([plainOrigin.slice("http://".length), secureOrigin, deadPlace]);
}

function connectRequest(dice: Dice, facts: Facts): ProxyRequest {
  const target = dice.chance(0.7)
    ? authority(dice, facts)
    : dice.pick([
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        ":443",
        "[::1]",
        "[::1]:1",
        "%00:443",
        "a@127.0.0.1:443",
        "http://127.0.0.1:1/",
        "127.0.0.1:1/y",
        "*",
        "origin.test:1:1",
        `${"a".repeat(5000)}:443/`,
      ]);
  const tunnelled = dice.pick([
    Buffer.from(`GET /through HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    clientHello(dice),
    dice.bytes(dice.int(300)),
    Buffer.alloc(0),
  ]);
  return { method: "CONNECT", target, tunnelled };
}

function absoluteRequest(dice: Dice, facts: Facts): ProxyRequest {
  const base = dice.pick([
    facts.plainOrigin,
    facts.plainOrigin,
    `https://${facts.secureOrigin}`,
    `http://${facts.secureOrigin}`,
    `http://${facts.deadPlace}`,
    "http://foreign.test:1",
    "HTTP://127.0.0.1:1",
    "http://user:word@127.0.0.1:1",
  ]);
  const broken = [
    "http://",
    "http://[::1/x",
    "http://127.0.0.1:99999/x",
    "ftp://127.0.0.1/x",
    "*",
    "x",
  ];
  const target = dice.chance(0.1) ? dice.pick(broken) : `${base}${path(dice, facts)}`;
  return { method: method(dice), target, ...rest(dice) };
}

function mirrorRequest(dice: Dice, facts: Facts): ProxyRequest {
  const ns = dice.pick([
    "",
    "",
    `ns=${facts.secureOrigin}`,
    "ns=127.0.0.1:1",
    `ns=..%2f`,
    "ns=a b",
    `ns=%00`,
  ]);
  const extra = dice.chance(0.2) ? `a=${hostileValue(dice)}&ns=127.0.0.1:1` : "";
  const text = [ns, extra].filter(Boolean).join("&");
  return {
    method: method(dice),
    target: `${path(dice, facts)}${text ? `?${text}` : ""}`,
    ...rest(dice),
  };
}

function originRequest(dice: Dice, facts: Facts): ProxyRequest {
  return { method: method(dice), target: path(dice, facts), ...rest(dice) };
}

function ownRequest(dice: Dice): ProxyRequest {
  const own = ["/args", "/debug/version", "/env", "/healthz", "/metrics", "/readyz"];
  const target = dice.pick(own);
  return {
    method: method(dice),
    target: dice.chance(0.3) ? `${target}?${hostileValue(dice)}` : target,
  };
}

function path(dice: Dice, { blobPath }: Facts): string {
  return dice.pick([
    blobPath,
    blobPath,
    `/v2/f/blobs/sha256:${dice.hex(64)}`,
    `/v2/f/blobs/sha256:${value(dice, dice.hex(63))}`,
    `/v2/f/manifests/${value(dice, "latest")}`,
    "/v2/",
    `/f/${dice.int(20)}`,
    `/${wayOut(dice)}`,
  ]);
}

function method(dice: Dice): string {
  return dice.chance(0.8)
    ? "GET"
    : dice.pick(["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]);
}

function rest(dice: Dice): Pick<HttpRequest, "headers" | "body"> {
  const some = [
    [
      "Range",
      dice.pick(["bytes=0-9", "bytes=5-", "bytes=-5", "bytes=9-1", "bytes=999999999-", "x"]),
    ],
    ["If-Range", dice.pick(['"x"', 'W/"x"', hostileHeader(dice)])],
    ["Accept-Encoding", "gzip"],
    ["Authorization", `Basic ${dice.hex(8)}`],
    ["X-Fuzz", hostileHeader(dice)],
    ["Connection", dice.pick(["close", "x-fuzz", "host, range"])],
    ["Proxy-Authorization", "Basic eDp5"],
    ["Expect", "100-continue"],
  ] as const;
  const headers = some.filter(() => dice.chance(0.2));
  return dice.chance(0.15) ? { headers, body: hostileBody(dice).subarray(0, 5000) } : { headers };
}
