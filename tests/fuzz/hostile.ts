import { HOSTILE_BODIES, HOSTILE_VALUES } from "../bad_input/hostile_values.ts";
import type { Dice } from "./dice.ts";

/** Paths that mean to lead out of a directory, or to where nothing is. */
const WAYS_OUT = [
  "..",
  "../../../../etc/passwd",
  "..%2f..%2f..%2fetc%2fpasswd",
  "%2e%2e/%2e%2e/etc/passwd",
  "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
  "..%5c..%5cetc%5cpasswd",
  "..%00/",
  "%00",
  "%00.service",
  "/etc/passwd",
  "//etc//passwd",
  "....//....//etc/passwd",
  "%252e%252e%252fetc%252fpasswd",
  "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
  ".",
  "",
  "%",
  "%zz",
  "%ff%fe",
  "__proto__",
  "constructor",
];

const NUMBERS = [
  "0",
  "-1",
  "1",
  "00",
  "1e3",
  "0x10",
  " 7",
  "4294967296",
  "9007199254740993",
  "NaN",
];

/** A value for a path or a query: mostly one that the route expects, else one that it cannot like. */
export function value(dice: Dice, ...right: readonly string[]): string {
  return right.length > 0 && dice.chance(0.7) ? dice.pick(right) : hostileValue(dice);
}

export function hostileValue(dice: Dice): string {
  if (dice.chance(0.3)) return dice.oneOf(HOSTILE_VALUES).slice(0, 4000);
  if (dice.chance(0.4)) return dice.pick(NUMBERS);
  return wayOut(dice);
}

export function wayOut(dice: Dice): string {
  return dice.pick(WAYS_OUT);
}

/** What may stand in a header, and should not. */
export function hostileHeader(dice: Dice): string {
  const text = decodeURIComponentLoosely(hostileValue(dice));
  return [...text].filter((letter) => letter >= " " && letter <= "ÿ").join("");
}

function decodeURIComponentLoosely(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** A body in place of JSON. */
export function hostileBody(dice: Dice): Buffer {
  const body = Buffer.from(dice.oneOf(HOSTILE_BODIES));
  // The largest are for once in a while: they are what a run's time goes to.
  return body.length > 100_000 && dice.chance(0.95) ? body.subarray(0, 1000) : body;
}

/** `a=1&b=2`, some left out, some twice. */
export function query(dice: Dice, values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).flatMap(([name, text]) => {
    if (dice.chance(0.05)) return [];
    return dice.chance(0.03)
      ? [`${name}=${text}`, `${name}=${hostileValue(dice)}`]
      : [`${name}=${text}`];
  });
  return pairs.join("&");
}

/** A value of a JSON field: the right one, mostly. */
export function field(dice: Dice, right: unknown): unknown {
  if (dice.chance(0.85)) return right;
  return dice.pick<unknown>([
    null,
    true,
    -1,
    1e308,
    2 ** 53,
    "",
    "nonsense",
    "\0",
    "\ud800",
    [],
    {},
    [[["x"]]],
    { __proto__: null, toString: 1 },
    "x".repeat(5000),
    Array.from({ length: 300 }, (_, index) => index),
  ]);
}

/** An object whose fields are right, mostly. */
export function fields(
  dice: Dice,
  right: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(right)
      .filter(() => !dice.chance(0.02))
      .map(([name, text]) => [name, field(dice, text)]),
  );
}

/** JSON of it, or now and then something else. */
export function json(dice: Dice, right: Readonly<Record<string, unknown>>): Buffer {
  if (dice.chance(0.05)) return hostileBody(dice);
  const text = JSON.stringify(fields(dice, right));
  return Buffer.from(dice.chance(0.03) ? text.slice(0, dice.int(text.length)) : text);
}
