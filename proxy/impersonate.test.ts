import { X509Certificate } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { type SecureContext, TLSSocket, connect as tlsConnect } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { CertificateError, splitPem } from "../runtime/certificates.ts";
import { createImpersonator } from "./impersonate.ts";
import { authority, cleanUp, defer, leaf } from "./testing.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

afterEach(cleanUp);

/** The certificate that a client sees who verifies it for `host`. */
async function shown(secureContext: SecureContext, host: string, ca: string) {
  const server = createServer((socket) => {
    const plain = new TLSSocket(socket, { isServer: true, secureContext });
    plain.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  defer(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = tlsConnect({
    host: "127.0.0.1",
    port,
    ca,
    checkServerIdentity: (_, certificate) => {
      const subject = new X509Certificate(certificate.raw);
      const fits =
        host.includes(":") || /^[\d.]+$/.test(host)
          ? subject.checkIP(host)
          : subject.checkHost(host);
      return fits ? undefined : new Error(`not for ${host}: ${subject.subjectAltName}`);
    },
  });
  defer(() => client.destroy());
  return new Promise<X509Certificate>((resolve, reject) => {
    client.once("secureConnect", () =>
      resolve(new X509Certificate(client.getPeerCertificate().raw)),
    );
    client.once("error", reject);
  });
}

test("a server certificate is shown as it is, to whatever host", async () => {
  const ca = await authority();
  const pair = await leaf(ca, "registry.example");
  const impersonator = createImpersonator(pair);
  const context = await impersonator.contextFor("registry.example");
  const certificate = await shown(context, "registry.example", ca.cert);
  expect(certificate.raw.equals(new X509Certificate(splitPem(pair.cert)[0]!).raw)).toBe(true);
  expect(await impersonator.contextFor("other.example")).toBe(context);
});

describe("by an authority", () => {
  test.each([["registry.example"], ["127.0.0.1"], ["::1"]])(
    "a certificate that clients accept for %s",
    async (host) => {
      const ca = await authority();
      const context = await createImpersonator(ca).contextFor(host);
      const certificate = await shown(context, host, ca.cert);
      expect(certificate.ca).toBe(false);
    },
  );

  test("minted once for all who ask at the same time, in any case", async () => {
    const impersonator = createImpersonator(await authority());
    const [one, two] = await Promise.all([
      impersonator.contextFor("a.example"),
      impersonator.contextFor("A.EXAMPLE"),
    ]);
    expect(two).toBe(one);
    expect(await impersonator.contextFor("b.example")).not.toBe(one);
  });

  test("minted anew before it expires", async () => {
    let nowMs = Date.now();
    const impersonator = createImpersonator(await authority(), { now: () => nowMs });
    const first = await impersonator.contextFor("a.example");
    nowMs += 19 * DAY_MS;
    expect(await impersonator.contextFor("a.example")).toBe(first);
    nowMs += 2 * DAY_MS;
    expect(await impersonator.contextFor("a.example")).not.toBe(first);
  });

  test("forgotten, the longest unused first, when there are too many", async () => {
    const impersonator = createImpersonator(await authority(), { maxHosts: 2 });
    const first = await impersonator.contextFor("a.example");
    const second = await impersonator.contextFor("b.example");
    expect(await impersonator.contextFor("a.example")).toBe(first);
    await impersonator.contextFor("c.example");
    expect(await impersonator.contextFor("a.example")).toBe(first);
    expect(await impersonator.contextFor("b.example")).not.toBe(second);
  });
});

test("a key of another certificate is refused", async () => {
  const [one, two] = [await authority(), await authority()];
  expect(() => createImpersonator({ cert: one.cert, key: two.key })).toThrow(CertificateError);
});
