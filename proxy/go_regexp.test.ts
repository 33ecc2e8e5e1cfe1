import { describe, expect, test } from "vitest";
import { compileGoRegexp } from "./go_regexp.ts";

test.each([
  ["blobs/sha256.*", "https://h/v2/a/blobs/sha256:1", true],
  ["(?i)REGISTRY", "registry.example:443", true],
  ["registry", "REGISTRY", false],
  ["^(?P<host>[a-z]+)\\.example:443$", "a.example:443", true],
  ["\\Ahttps", "https://h", true],
  ["\\Ahttps", "x https", false],
  ["443\\z", "h:443", true],
  ["443\\z", "h:4430", false],
  ["\\-\\/\\_", "-/_", true],
  ["a\\\\z", "a\\z", true],
])("%s in %s: %s", (source, text, found) => {
  expect(compileGoRegexp(source).test(text)).toBe(found);
});

describe("what cannot be read the same way is refused", () => {
  test.each([["("], ["[[:alpha:]]+"], ["\\pL"], ["\\Qa.b\\E"], ["(?U)a+"], ["a**"], ["\\Cx"]])(
    "%s",
    (source) => {
      expect(() => compileGoRegexp(source)).toThrow(SyntaxError);
    },
  );
});
