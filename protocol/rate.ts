import * as z from "zod";

const UNITS: Record<string, number> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/**
 * Bytes (a second) from v1's spelling: `20M`, `20MB`, `64K`, `1g`, `512B` or a bare number
 * (protocol §4); `undefined` for anything else. Units are powers of 1024, as in v1.
 */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+)(?:([kmg])b?|b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const bytes = Number(match[1]) * UNITS[(match[2] ?? "").toLowerCase()]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact spelling of a number of bytes, as v1 prints it: `20MB`, `1536KB`, `7B`. */
export function formatRate(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 3, "GB"],
    [1024 ** 2, "MB"],
    [1024, "KB"],
  ] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${name}`;
  }
  return `${bytes}B`;
}

/** A rate in a configuration file or flag: v1's spelling or a bare number; gives bytes a second. */
export const rateSchema = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const bytes = parseRate(String(value));
    if (bytes === undefined) {
      context.addIssue({
        code: "custom",
        message: "expected a rate such as 20M, 64K, 1G or a number of bytes",
      });
      return z.NEVER;
    }
    return bytes;
  })
  .meta({ type: "rate" });
