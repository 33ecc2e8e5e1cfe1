import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import {
  CertificateError,
  checkKeyPair,
  createAuthority,
  isAuthority,
  mintLeaf,
  splitPem,
} from "./certificates.ts";

const nowMs = Date.now();
const authority = await createAuthority({ commonName: "test, authority", days: 30, nowMs });

/** Serves with `pair` and connects by `servername`; resolves when the client trusts it. */
async function handshake(pair: { cert: string; key: string }, servername: string): Promise<void> {
  const server = createServer(pair);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await new Promise<void>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const socket = connect({ host: "127.0.0.1", port, servername, ca: authority.cert }, () => {
        socket.end();
        resolve();
      });
      socket.on("error", reject);
    });
  } finally {
    server.close();
  }
}

describe("certificates", () => {
  it("a minted leaf is trusted through its authority, for its names only", async () => {
    const leaf = await mintLeaf(authority, {
      names: ["registry.test", "127.0.0.1"],
      days: 5,
      nowMs,
    });
    checkKeyPair(leaf);
    expect(isAuthority(authority.cert)).toBe(true);
    expect(isAuthority(leaf.cert)).toBe(false);
    expect(splitPem(leaf.cert)).toHaveLength(2);
    await handshake(leaf, "registry.test");
    await expect(handshake(leaf, "other.test")).rejects.toThrow(/altname|does not match/i);
  });

  it("a leaf does not outlive its authority", async () => {
    const { X509Certificate } = await import("node:crypto");
    const leaf = await mintLeaf(authority, { names: ["a.test"], days: 3650, nowMs });
    const until = (pem: string) => Date.parse(new X509Certificate(splitPem(pem)[0]!).validTo);
    expect(until(leaf.cert)).toBe(until(authority.cert));
  });

  it("a key of another certificate is refused", async () => {
    const other = await createAuthority({ commonName: "other", days: 1, nowMs });
    expect(() => checkKeyPair({ cert: authority.cert, key: other.key })).toThrow(CertificateError);
    expect(() => checkKeyPair({ cert: "nothing", key: other.key })).toThrow(/no certificate/);
    expect(() => checkKeyPair({ cert: authority.cert, key: "nothing" })).toThrow(CertificateError);
  });
});
