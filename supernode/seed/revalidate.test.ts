import { expect, it } from "vitest";
import { isSameVersion } from "./revalidate.ts";

const DATE = "Tue, 24 Nov 2026 09:41:06 GMT";

it.each([
  [{ etag: '"1"' }, { etag: '"1"' }, true],
  [{ etag: '"1"' }, { etag: '"2"' }, false],
  [{ etag: '"1"', lastModified: DATE }, { etag: '"2"', lastModified: DATE }, false],
  [{ etag: '"1"', lastModified: "then" }, { etag: '"1"', lastModified: DATE }, true],
  [{ lastModified: DATE }, { lastModified: DATE }, true],
  [{ lastModified: DATE }, { etag: '"1"', lastModified: DATE }, true],
  [{ lastModified: "then" }, { lastModified: DATE }, false],
  [{ etag: '"1"' }, { lastModified: DATE }, false],
  [{}, {}, false],
])("%j and %j are the same version: %s", (one, other, same) => {
  const silent = { etag: "", lastModified: "" };
  expect(isSameVersion({ ...silent, ...one }, { ...silent, ...other })).toBe(same);
});
