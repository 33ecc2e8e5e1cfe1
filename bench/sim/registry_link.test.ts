import { expect, it } from "vitest";
import { RegistryLink } from "./registry_link.ts";

it("is shared fairly, and what one cannot take goes to the others", () => {
  const link = new RegistryLink(100);
  link.begin(1, 1000, 10, 0);
  link.begin(2, 900, 500, 0);
  link.begin(3, 450, 500, 0);
  // 10, 45 and 45 a ms.
  expect(link.next()).toEqual({ receiver: 3, timeMs: 10 });
  link.cut(3, 10);
  // 10 and 90 a ms, of which 900 and 450 are left.
  expect(link.next()).toEqual({ receiver: 2, timeMs: 15 });
  expect(link.left(1, 15)).toBe(850);
  link.cut(2, 15);
  expect(link.next()).toEqual({ receiver: 1, timeMs: 100 });
  link.cut(1, 100);
  expect(link.next()).toBeUndefined();
});
