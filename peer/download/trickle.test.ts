import { expect, it } from "vitest";
import { Trickle } from "./trickle.ts";

const KB = 1024;

/** The look at which it counts as a trickle, by what comes before each; 0: never. */
function foundAt(perLook: readonly number[]): number {
  const trickle = new Trickle(64 * KB);
  let received = 0;
  return 1 + perLook.findIndex((bytes) => trickle.isOne((received += bytes)));
}

const often = (bytes: number) => Array.from({ length: 20 }, () => bytes);

it.each<[string, readonly number[], number]>([
  ["a byte a second", often(1), 3],
  ["a byte now and then", [1, 0, 0, 0, 1], 3],
  ["a byte a second after a good beginning", [200 * KB, ...often(1)], 4],
  ["silence, and then a byte a second", [0, 0, 0, 0, ...often(1)], 5],
  ["a few bytes more than that", often(900), 3],
])("%s is a trickle", (_what, perLook, look) => {
  expect(foundAt(perLook)).toBe(look);
});

it.each<[string, readonly number[]]>([
  ["silence", often(0)],
  ["the lowest rate", often(64 * KB)],
  ["much less than that, but not next to nothing", often(2 * KB)],
  [
    "64 KB every five seconds, as under a limit that many share",
    [0, 0, 0, 0, 64 * KB, 0, 0, 0, 0, 64 * KB, 0, 0, 0],
  ],
])("%s is none", (_what, perLook) => {
  expect(foundAt(perLook)).toBe(0);
});
