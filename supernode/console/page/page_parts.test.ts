import { describe, expect, test } from "vitest";
import { bytes, clock, counted, duration, percent, rate } from "./format.ts";
import { basicAuthorization, manifestUrl } from "./image_reference.ts";
import { inWords } from "./map_in_words.ts";
import { ratesOf, savedOf } from "./series.ts";

describe("numbers", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [9996, "10.0 kB"],
    [12_345_678, "12.3 MB"],
    [999_600, "1.00 MB"],
    [312_000_000, "312 MB"],
    [1.5e15, "1.50 PB"],
    [-5, "0 B"],
  ])("%d is %s", (count, text) => expect(bytes(count)).toBe(text));

  test("rates, counts, parts and times", () => {
    expect(rate(1234.5)).toBe("1.24 kB/s");
    expect(counted(1, "node")).toBe("1 node");
    expect(counted(1234, "node")).toBe("1,234 nodes");
    expect([0, 0.001, 0.5, 0.999, 1, Number.NaN].map(percent)).toEqual([
      ...["0 %", "1 %", "50 %", "99 %", "100 %", "0 %"],
    ]);
    expect([-5, 8000, 240_000, 3 * 3_600_000, 72 * 3_600_000].map(duration)).toEqual([
      ...["0 s", "8 s", "4 min", "3 h", "3 d"],
    ]);
    expect(clock(new Date(2026, 1, 3, 4, 5, 6).getTime())).toBe("04:05:06");
  });
});

describe("image names", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  test.each([
    ["nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"],
    ["docker.io/team/app:1", "https://registry-1.docker.io/v2/team/app/manifests/1"],
    ["team/app", "https://registry-1.docker.io/v2/team/app/manifests/latest"],
    ["reg.example/app:1.2", "https://reg.example/v2/app/manifests/1.2"],
    ["localhost/app", "https://localhost/v2/app/manifests/latest"],
    ["http://10.0.0.1:5000/a/b/c:x", "http://10.0.0.1:5000/v2/a/b/c/manifests/x"],
    [`reg:5000/app@${digest}`, `https://reg:5000/v2/app/manifests/${digest}`],
    [`reg:5000/app:1@${digest}`, `https://reg:5000/v2/app/manifests/${digest}`],
    ["docker://reg.example/app", "https://reg.example/v2/app/manifests/latest"],
    [" https://reg.example/v2/a/manifests/1 ", "https://reg.example/v2/a/manifests/1"],
  ])("%s", (text, url) => expect(manifestUrl(text)).toEqual({ url }));

  test.each(["", "a b", "reg.example/", "user:pw@reg.example/app", "reg.example/app?x=1", "app:"])(
    "%j is none",
    (text) => expect(manifestUrl(text)).toHaveProperty("problem"),
  );

  test("a login is sent in UTF-8", () => {
    expect(basicAuthorization("", "x")).toBeUndefined();
    expect(basicAuthorization("u", "pä")).toBe(`Basic ${Buffer.from("u:pä").toString("base64")}`);
  });
});

describe("curves", () => {
  test("rates are those between two points", () => {
    const points = [
      [0, 0, 0],
      [5000, 1000, 500],
      [10_000, 500, 500],
    ] as const;
    expect(ratesOf(points)).toEqual({ times: [5, 10], delivered: [200, 0], egress: [100, 0] });
  });

  test("what is saved goes up to now, and is never less than nothing", () => {
    const totals = { delivered: 300, egress: 100 };
    expect(savedOf([[1000, 0, 100]], 2000, totals)).toEqual({ times: [1, 2], saved: [0, 200] });
    expect(savedOf([[1000, 0, 100]], 900, totals).times).toEqual([1]);
  });
});

test("a piece map in words", () => {
  expect(inWords("99~.")).toMatch(/50 % is with some node.*25 % is being fetched/);
  expect(inWords("")).toMatch(/not known/);
});
