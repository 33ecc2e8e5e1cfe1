import { describe, expect, test } from "vitest";
import { decideMirrored, decideProxied, hijackRuleFor, type Rules } from "./rules.ts";

const REGISTRY_TRUST = { ca: ["registry"] };
const REMOTE_TRUST = { ca: ["remote"] };

function rules(
  urls: Partial<Rules["urls"][number]>[],
  mirror: Partial<Rules["mirror"]> = {},
): Rules {
  return {
    hijack: [
      { pattern: /registry\.example/, trust: REGISTRY_TRUST },
      { pattern: /example/, trust: { insecure: true } },
    ],
    urls: urls.map((url) => ({
      pattern: /blobs\/sha256/,
      useHttps: false,
      direct: false,
      redirect: "",
      ...url,
    })),
    mirror: {
      remote: new URL("https://remote.example"),
      trust: REMOTE_TRUST,
      direct: false,
      ...mirror,
    },
  };
}

const BLOB = `/v2/team/app/blobs/sha256:${"a".repeat(64)}`;

test("a CONNECT is hijacked by the first rule found anywhere in host:port", () => {
  const given = rules([]);
  expect(hijackRuleFor(given, "registry.example:443")).toBe(given.hijack[0]);
  expect(hijackRuleFor(given, "other.example:443")).toBe(given.hijack[1]);
  expect(hijackRuleFor(given, "ghcr.io:443")).toBeUndefined();
});

describe("a proxied request", () => {
  test.each([
    ["a blob", "GET", BLOB, "p2p"],
    ["a blob with a query", "GET", `${BLOB}?x=1`, "p2p"],
    ["HEAD of a blob", "HEAD", BLOB, "direct"],
    ["DELETE of a blob", "DELETE", BLOB, "direct"],
    ["a manifest", "GET", "/v2/team/app/manifests/latest", "direct"],
    ["a manifest by digest", "GET", `/v2/team/app/manifests/sha256:${"a".repeat(64)}`, "direct"],
    ["tags", "GET", "/v2/team/app/tags/list", "direct"],
    ["referrers", "GET", `/v2/team/app/referrers/sha256:${"a".repeat(64)}`, "direct"],
    ["an upload", "GET", "/v2/team/app/blobs/uploads/1234", "direct"],
    ["the start of an upload", "POST", "/v2/team/app/blobs/uploads/", "direct"],
    ["the API's root", "GET", "/v2/", "direct"],
    ["the API's root without slash", "GET", "/v2", "direct"],
    ["the catalog", "GET", "/v2/_catalog?n=1", "direct"],
    ["a token", "GET", "/token?service=r&scope=repository:a:pull", "direct"],
    ["a token elsewhere", "GET", "/oauth2/token", "direct"],
    ["some other file", "GET", "/files/big.tar", "p2p"],
  ])("with a rule that matches everything: %s", (_, method, path, way) => {
    const given = rules([{ pattern: /.*/ }]);
    expect(decideProxied(given, method, `https://registry.example${path}`).way).toBe(way);
  });

  test.each([
    ["no rule", [], "direct", `http://h${BLOB}`],
    ["a rule", [{}], "p2p", `http://h${BLOB}`],
    ["use_https", [{ useHttps: true }], "p2p", `https://h${BLOB}`],
    ["redirect", [{ redirect: "other:5000" }], "p2p", `http://other:5000${BLOB}`],
    ["direct", [{ direct: true }], "direct", `http://h${BLOB}`],
    ["direct with use_https", [{ direct: true, useHttps: true }], "direct", `https://h${BLOB}`],
    ["the first rule wins", [{ direct: true }, {}], "direct", `http://h${BLOB}`],
    [
      "one that does not match is passed over",
      [{ pattern: /x/, direct: true }, {}],
      "p2p",
      `http://h${BLOB}`,
    ],
  ])("%s", (_, urls, way, url) => {
    expect(decideProxied(rules(urls), "GET", `http://h${BLOB}`)).toMatchObject({ way, url });
  });

  test("rules change nothing of what is not a GET", () => {
    const decision = decideProxied(rules([{ useHttps: true }]), "HEAD", `http://h${BLOB}`);
    expect(decision).toEqual({ way: "direct", url: `http://h${BLOB}`, trust: undefined });
  });

  test("the source is trusted as its hijack rule says, by whatever way", () => {
    const given = rules([{ useHttps: true }]);
    const [rule] = given.hijack;
    expect(decideProxied(given, "GET", `https://any${BLOB}`, rule).trust).toBe(REGISTRY_TRUST);
    expect(decideProxied(given, "GET", `http://registry.example${BLOB}`).trust).toBe(
      REGISTRY_TRUST,
    );
    expect(decideProxied(given, "GET", `https://ghcr.io${BLOB}`).trust).toBeUndefined();
    const elsewhere = rules([{ redirect: "ghcr.io" }]);
    expect(decideProxied(elsewhere, "GET", `https://any${BLOB}`, rule).trust).toBeUndefined();
  });
});

describe("a mirrored request", () => {
  test.each([
    ["a blob", "GET", BLOB, {}, "p2p"],
    ["HEAD of a blob", "HEAD", BLOB, {}, "direct"],
    ["a manifest", "GET", "/v2/team/app/manifests/1", {}, "direct"],
    ["a blob where the mirror is direct", "GET", BLOB, { direct: true }, "direct"],
    ["blobs/sha256 in the query only", "GET", "/v2/?a=/blobs/sha256:1", {}, "direct"],
  ])("%s", (_, method, path, mirror, way) => {
    const upstream = { url: `https://remote.example${path}`, isRemote: true };
    expect(decideMirrored(rules([], mirror), method, upstream)).toEqual({
      way,
      url: upstream.url,
      trust: REMOTE_TRUST,
    });
  });

  test("the remote is trusted by its hijack rule where the mirror's own block says nothing", () => {
    const given = rules([], { trust: undefined });
    const upstream = { url: `https://registry.example${BLOB}`, isRemote: true };
    expect(decideMirrored(given, "GET", upstream).trust).toBe(REGISTRY_TRUST);
  });

  test("another registry is trusted by its own rule", () => {
    const decide = (url: string) => decideMirrored(rules([]), "GET", { url, isRemote: false });
    expect(decide(`https://registry.example${BLOB}`).trust).toBe(REGISTRY_TRUST);
    expect(decide(`https://ghcr.io${BLOB}`).trust).toBeUndefined();
  });
});
