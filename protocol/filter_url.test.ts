import { expect, it } from "vitest";
import { isFilteredFrom } from "./filter_url.ts";

const URL = "https://registry/v2/a/blobs/x";

it.each([
  [URL, URL],
  [URL, `${URL}?key=1&sign=2`],
  [`${URL}?x=2`, `${URL}?key=1&x=2&sign=3`],
  [`${URL}?x=2&x=3`, `${URL}?x=2&key=1&x=3`],
])("%s may stand for %s", (taskUrl, url) => {
  expect(isFilteredFrom(taskUrl, url)).toBe(true);
});

it.each([
  ["another host's answer", URL, "http://elsewhere/v2/a/blobs/x"],
  ["another path's", URL, "https://registry/v2/b/blobs/x"],
  ["another port's", URL, "https://registry:444/v2/a/blobs/x"],
  ["a parameter that was not there", `${URL}?x=1`, URL],
  ["another value", `${URL}?file=secret`, `${URL}?file=public`],
  ["one of two values", `${URL}?file=secret`, `${URL}?file=public&file=secret`],
  ["another order", `${URL}?a=1&b=2`, `${URL}?b=2&a=1`],
])("refuses %s", (_what, taskUrl, url) => {
  expect(isFilteredFrom(taskUrl, url)).toBe(false);
});
