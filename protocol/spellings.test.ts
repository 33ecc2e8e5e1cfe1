import { describe, expect, it } from "vitest";
import { blobDigest, parseDigest } from "./digest.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { filterUrl, parseFilter } from "./filter_url.ts";
import { clientId, clientSign, seedClientId, seedFilePath, taskFileName } from "./names.ts";
import { formatRate, parseRate } from "./rate.ts";
import { headersFromWire, headersToWire } from "./wire_headers.ts";

const HEX = "e894435e800e122fdcc592abcf025f39ee968f4e809068b951bd4aaba5621f84";

describe("rates", () => {
  it.each([
    ["20M", 20971520],
    ["20MB", 20971520],
    ["64K", 65536],
    ["1G", 1073741824],
    ["1g", 1073741824],
    ["512B", 512],
    ["1048576", 1048576],
    ["0", 0],
    ["", undefined],
    ["-1", undefined],
    ["20X", undefined],
    ["1.5M", undefined],
    ["99999999999999999999", undefined],
  ])("parseRate(%j)", (text, bytes) => {
    expect(parseRate(text)).toBe(bytes);
  });
  it.each([
    [20971520, "20MB"],
    [1073741824, "1GB"],
    [65536, "64KB"],
    [1000, "1000B"],
    [0, "0B"],
  ])("formatRate(%d)", (bytes, text) => {
    expect(formatRate(bytes)).toBe(text);
  });
});

describe("durations", () => {
  it.each([
    ["3m0s", 180_000],
    ["2h0m0s", 7_200_000],
    ["20s", 20_000],
    ["1.5s", 1500],
    ["200ms", 200],
    ["0", 0],
    ["5", undefined],
    ["", undefined],
    ["3 minutes", undefined],
    ["-3s", undefined],
  ])("parseDuration(%j)", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
  it.each(["3m0s", "2h0m0s", "20s", "1.5s", "200ms", "0s"])(
    "formatDuration gives back %s",
    (text) => {
      expect(formatDuration(parseDuration(text)!)).toBe(text);
    },
  );
});

describe("digests", () => {
  it.each([
    [`https://r/v2/a/b/blobs/sha256:${HEX}`, HEX],
    [`https://r/v2/a/b/blobs/sha256:${HEX}?ns=docker.io`, HEX],
    [`https://r/v2/a/b/blobs/sha256:${HEX.toUpperCase()}`, HEX],
    [`https://r/v2/a/b/manifests/sha256:${HEX}`, undefined],
    [`https://r/v2/a/b/blobs/sha256:${HEX}0`, undefined],
    ["https://r/v2/a/b/blobs/uploads/1", undefined],
  ])("blobDigest(%s)", (url, hex) => {
    expect(blobDigest(url)?.hex).toBe(hex);
  });
  it("refuse other algorithms", () => {
    expect(parseDigest(`sha512:${HEX}${HEX}`)).toBeUndefined();
  });
});

describe("filtered URLs", () => {
  it.each([
    ["http://h/tiny?sign=1&key=2&x=3", "key&sign", "http://h/tiny?x=3"],
    ["http://h/tiny?sign=1", "sign", "http://h/tiny"],
    ["http://h/tiny?x=%2f&sign", "sign", "http://h/tiny?x=%2f"],
    ["http://h/tiny?x=1", "", "http://h/tiny?x=1"],
    ["http://h/tiny", "x", "http://h/tiny"],
  ])("filterUrl(%s, %s)", (url, filter, filtered) => {
    expect(filterUrl(url, parseFilter(filter))).toBe(filtered);
  });
});

describe("headers on the wire", () => {
  it("split at the first colon, trim, drop what is empty, join repeats", () => {
    expect(
      headersFromWire(["Accept: */*", "X:a:b", "Empty:", ":x", "none", "X: c ", "Range:bytes=0-9"]),
    ).toEqual({ Accept: "*/*", X: "a:b,c", Range: "bytes=0-9" });
    expect(headersToWire({ A: "1", B: "2" })).toEqual(["A:1", "B:2"]);
  });
});

describe("names", () => {
  it("are composed as v1 composes them, ours with a secret", () => {
    const sign = clientSign(11174, 1795513266665);
    expect(sign).toBe("11174-1795513266.665");
    const secret = "0123456789abcdef0123456789abcdef";
    expect(clientId("127.0.0.2", secret, sign)).toBe(`127.0.0.2-${secret}-11174-1795513266.665`);
    expect(taskFileName("three", secret, sign)).toBe(`three-${secret}-11174-1795513266.665`);
    expect(seedClientId("127.0.0.1", "781f")).toBe("cdnnode:127.0.0.1~781f");
    expect(seedFilePath("781f9c")).toBe("/download/781/781f9c");
    expect(seedFilePath("781f9c", "pass")).toBe("/download/781/781f9c/pass");
  });
});
