import * as z from "zod";
import { documented, type KeyNotes } from "../runtime/key_notes.ts";

/** One key of the `base:` block: its name there, what it takes, its default, how it is printed. */
export interface Setting<Value> {
  key: string;
  schema: z.ZodType<Value>;
  value: Value;
  print: (value: Value) => unknown;
}

/** @param what it does, for docs/reference/configuration.md; see {@link KeyNotes} for `notes` */
export function setting<Value>(
  key: string,
  what: string,
  schema: z.ZodType<Value, unknown>,
  value: Value,
  print: (value: Value) => unknown = (same) => same,
  notes: KeyNotes = {},
): Setting<Value> {
  const shown = print(value);
  const given = shown === "" || shown === null || typeof shown === "object" ? undefined : shown;
  return { key, schema: documented(schema, what, { default: given, ...notes }), value, print };
}

/** A whole number. */
export function whole(expected: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
}

export const port = whole("expected a port, 0 to 65535 (0: any free one)", 0, 65535).meta({
  type: "port",
});
export const atLeastOne = whole("expected a whole number, 1 or more", 1);
export const flag = z.boolean("expected true or false");
