import { expect, it } from "vitest";
import { parseSourcePattern, sourceGuard } from "./source_guard.ts";

const guard = sourceGuard([
  "docker-registry.discovery.wmnet",
  "https://*.example.org",
  "10.0.0.7:5000",
  "any-port.example:*",
  "[fd00::1]:5000",
]);

it.each([
  "https://docker-registry.discovery.wmnet/v2/",
  "http://docker-registry.discovery.wmnet/v2/",
  "https://DOCKER-registry.discovery.wmnet:443/v2/",
  "https://a.b.example.org/x",
  "http://10.0.0.7:5000/x",
  "http://any-port.example:81/x",
  "http://[fd00::1]:5000/x",
])("lets %s out", (url) => {
  expect(guard.refuseUrl(new URL(url))).toBeUndefined();
});

it.each([
  "https://docker-registry.discovery.wmnet:8443/",
  "https://docker-registry.discovery.wmnet.evil.example/",
  "https://docker-registryXdiscovery.wmnet/",
  "https://docker-registry.discovery.wmnet@evil.example/",
  "https://evil.example/?https://docker-registry.discovery.wmnet/",
  "http://a.example.org/x",
  "https://example.org/x",
  "http://10.0.0.7/x",
])("refuses %s", (url) => {
  expect(guard.refuseUrl(new URL(url))).toMatch(/ is not among this supernode's allowedSources$/);
});

it("lets everything out that is not link-local where there are no patterns", () => {
  const open = sourceGuard([]);
  expect(open.refuseUrl(new URL("http://anywhere.example:8/"))).toBeUndefined();
  expect(open.refuseAddress("10.0.0.1")).toBeUndefined();
  expect(open.refuseAddress("127.0.0.1")).toBeUndefined();
});

it.each([
  "169.254.169.254",
  "169.254.0.1",
  "::ffff:169.254.169.254",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "::169.254.169.254",
  "fe80::1",
  "fe80::1%eth0",
  "febf::1",
  "fd00:ec2::254",
])("refuses the address %s", (address) => {
  expect(guard.refuseAddress(address)).toContain("is a link-local address");
});

it.each(["", "http://", "a b", "host:", "host:x", "host/path", "ftp://host", "^host$"])(
  "takes %j for no pattern",
  (text) => {
    expect(parseSourcePattern(text)).toBeUndefined();
  },
);
