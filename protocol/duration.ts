import * as z from "zod";

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds from Go's spelling of a duration, `5m0s`, `1.5h`, `20s`, `0`; else `undefined`. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, value, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(value) * UNIT_MS[unit!]!;
  }
  return total;
}

/** Milliseconds in Go's spelling: `3m0s`, `2h0m0s`, `1.5s`, `200ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** A duration in a configuration file or flag, in Go's spelling; gives milliseconds. */
export const durationSchema = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const ms = parseDuration(String(value));
    if (ms === undefined) {
      context.addIssue({ code: "custom", message: "expected a duration such as 3m0s, 20s or 2h" });
      return z.NEVER;
    }
    return ms;
  })
  .meta({ type: "duration" });
