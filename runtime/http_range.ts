/** What a `Range` header asks of a body of known length. */
export type RangeRequest =
  | { kind: "whole" }
  /** `open`: all from there on, as who resumes asks for it. */
  | { kind: "part"; start: number; end: number; open: boolean }
  | { kind: "unsatisfiable" };

/**
 * Reads a `Range` header against a body of `length` bytes (RFC 9110 §14). Several ranges, other
 * units and malformed values count as no range at all, which the RFC allows: the whole body answers.
 *
 * @example
 * ```ts
 * parseRangeHeader("bytes=-5", 100); // { kind: "part", start: 95, end: 99, open: false }
 * ```
 */
export function parseRangeHeader(header: string | null | undefined, length: number): RangeRequest {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return { kind: "whole" };
  let start: number;
  let end: number;
  if (match[1] === "") {
    const suffix = Number(match[2]);
    if (suffix === 0) return { kind: "unsatisfiable" };
    start = Math.max(0, length - suffix);
    end = length - 1;
  } else {
    start = Number(match[1]);
    end = match[2] === "" ? length - 1 : Math.min(Number(match[2]), length - 1);
    if (match[2] !== "" && Number(match[2]) < start) return { kind: "whole" };
  }
  if (start >= length) return { kind: "unsatisfiable" };
  return { kind: "part", start, end, open: match[2] === "" };
}

/** Reads `bytes a-b/total` of a 206 answer; `total` is -1 for `*`; `undefined` where malformed. */
export function parseContentRange(
  header: string | null | undefined,
): { start: number; end: number; total: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header?.trim() ?? "");
  if (!match) return undefined;
  return {
    start: Number(match[1]),
    end: Number(match[2]),
    total: match[3] === "*" ? -1 : Number(match[3]),
  };
}
