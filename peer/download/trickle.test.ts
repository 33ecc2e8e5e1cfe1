import { expect, it } from "vitest";
import { LOOK_MS, Trickle } from "./trickle.ts";

const KB = 1024;

/** The second in which it counts as a trickle, by what comes in each; -1: never. */
function foundAt(perSecond: readonly number[]): number {
  const trickle = new Trickle(64 * KB);
  let received = 0;
  return perSecond.findIndex((bytes) => {
    received += bytes;
    const looks = Array.from({ length: 1000 / LOOK_MS }, () => trickle.isOne(received));
    return looks.includes(true);
  });
}

const often = (bytes: number) => Array.from({ length: 20 }, () => bytes);

it.each<[string, readonly number[], number]>([
  ["a byte a second", often(1), 1],
  ["a byte now and then", [1, 0, 0, 0, 1], 1],
  ["a byte a second after a good beginning", [200 * KB, ...often(1)], 1],
  ["silence, and then a byte a second", [0, 0, 0, 0, ...often(1)], 4],
  ["a few bytes more than that", often(300), 1],
])("%s is a trickle", (_what, perSecond, second) => {
  expect(foundAt(perSecond)).toBe(second);
});

it.each<[string, readonly number[]]>([
  ["silence", often(0)],
  ["the lowest rate", often(64 * KB)],
  ["much less than that, but not next to nothing", often(2 * KB)],
  ["a packet now and then, on a line that loses the most of them", [0, 1220, 0, 0, 1220, 0, 1220]],
  [
    "64 KB every five seconds, as under a limit that many share",
    [0, 0, 0, 0, 64 * KB, 0, 0, 0, 0, 64 * KB, 0, 0, 0],
  ],
])("%s is none", (_what, perSecond) => {
  expect(foundAt(perSecond)).toBe(-1);
});
