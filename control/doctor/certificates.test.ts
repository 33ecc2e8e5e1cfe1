import { X509Certificate } from "node:crypto";
import { beforeAll, expect, it } from "vitest";
import { createAuthority, type KeyPair, mintLeaf } from "../../runtime/certificates.ts";
import { judgeCertificate } from "./certificates.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW = Date.now();
const NAMES = ["registry.example.net", "10.0.0.1"];

let authority: KeyPair;
let stranger: KeyPair;
let leaf: KeyPair;
beforeAll(async () => {
  [authority, stranger] = await Promise.all([
    createAuthority({ commonName: "ours", days: 90, nowMs: NOW }),
    createAuthority({ commonName: "another", days: 90, nowMs: NOW }),
  ]);
  leaf = await mintLeaf(authority, { names: NAMES, days: 60, nowMs: NOW });
});

function judge(pair: KeyPair, more: { names?: string[]; any?: boolean; nowMs?: number } = {}) {
  const { names = NAMES, any = false, nowMs = NOW } = more;
  const trusted = [new X509Certificate(authority.cert)];
  return judgeCertificate(pair.cert, pair.key, { names, any, trusted }, nowMs);
}

it("one that is right, and an authority, which is for any name", () => {
  expect(judge(leaf)).toMatchObject({
    state: "ok",
    says: expect.stringMatching(/good for (59|60) days/),
  });
  expect(judge(authority)).toMatchObject({ state: "ok" });
  // Without its authority behind it: that is trusted, and that is enough.
  const [alone] = leaf.cert.split(/(?<=-----END CERTIFICATE-----)/);
  expect(judge({ ...leaf, cert: alone! })).toMatchObject({ state: "ok" });
});

it.each([
  ["warn", /^expires in 9 days$/, () => judge(leaf, { nowMs: NOW + 50.5 * DAY_MS })],
  ["fail", /^expired 1 d 12 h ago$/, () => judge(leaf, { nowMs: NOW + 61.5 * DAY_MS })],
  ["fail", /^not valid yet$/, () => judge(leaf, { nowMs: NOW - 3 * DAY_MS })],
  ["fail", /key does not belong/, () => judge({ ...leaf, key: stranger.key })],
  ["fail", /^no certificate in PEM form$/, () => judge({ ...leaf, cert: "" })],
  [
    "fail",
    /^is not for other\.example$/,
    () => judge(leaf, { names: [NAMES[0]!, "other.example"] }),
  ],
  ["ok", /right/, () => judge(leaf, { names: [NAMES[0]!, "other.example"], any: true })],
  ["fail", /no engine here trusts it/, () => judge(stranger)],
  [
    "fail",
    /chain breaks: number 1 is not signed by the next/,
    () => judge({ ...leaf, cert: leaf.cert.replace(authority.cert.trim(), stranger.cert.trim()) }),
  ],
] as const)("%s: %s", (state, says, look) => {
  expect(look()).toMatchObject({ state, says: expect.stringMatching(says) });
});
