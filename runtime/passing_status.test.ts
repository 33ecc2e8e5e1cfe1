import { expect, it } from "vitest";
import { isPassingStatus } from "./passing_status.ts";

it.each([
  [200, false],
  [401, false],
  [404, false],
  [408, true],
  [416, false],
  [429, true],
  [500, true],
  [501, false],
  [503, true],
])("status %i: %s", (status, passing) => {
  expect(isPassingStatus(status)).toBe(passing);
});
