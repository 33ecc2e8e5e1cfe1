import { describe, expect, test } from "vitest";
import { parseChallenges, tokenUrl } from "./registry_token.ts";

describe("challenges", () => {
  test.each([
    ["", []],
    ["Basic", [{ scheme: "basic", params: {} }]],
    [
      'Bearer realm="https://auth.example/token",service="reg.example",scope="repository:a/b:pull"',
      [
        {
          scheme: "bearer",
          params: {
            realm: "https://auth.example/token",
            service: "reg.example",
            scope: "repository:a/b:pull",
          },
        },
      ],
    ],
    [
      'bearer Realm = "https://a/?x=1,2" , error=invalid_token',
      [{ scheme: "bearer", params: { realm: "https://a/?x=1,2", error: "invalid_token" } }],
    ],
    [
      'Basic realm="a \\"b\\"", Bearer realm="https://t/"',
      [
        { scheme: "basic", params: { realm: 'a "b"' } },
        { scheme: "bearer", params: { realm: "https://t/" } },
      ],
    ],
    ['realm="lost"', []],
  ])("%s", (header, wanted) => {
    expect(parseChallenges(header)).toEqual(wanted);
  });
});

describe("where to ask for a token", () => {
  const registry = "https://reg.example/v2/a/manifests/1";
  const ask = (params: Record<string, string>, url = registry) =>
    tokenUrl({ scheme: "bearer", params }, url);

  test.each([
    [{ realm: "https://t.example/token" }, "https://t.example/token"],
    [
      { realm: "https://t.example/token?x=1", service: "reg example", scope: "repository:a:pull" },
      "https://t.example/token?x=1&service=reg+example&scope=repository%3Aa%3Apull",
    ],
    [
      { realm: "https://t.example/", scope: "repository:a:pull repository:b:pull" },
      "https://t.example/?scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull",
    ],
  ])("%j", (params, wanted) => {
    expect(ask(params as Record<string, string>)).toBe(wanted);
  });

  test("a challenge without a realm is refused", () => {
    expect(() => ask({ service: "x" })).toThrow(/not where from/);
    expect(() => ask({ realm: "token" })).toThrow(/not where from/);
  });

  test("credentials for an encrypted registry are not sent in the clear", () => {
    expect(() => ask({ realm: "http://t.example/token" })).toThrow(/unencrypted/);
    expect(ask({ realm: "http://t.example/token" }, "http://reg.example/v2/a")).toBe(
      "http://t.example/token",
    );
  });
});
