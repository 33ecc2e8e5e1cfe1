/** One place where our programs say something other than the Go programs said. */
export interface Found {
  /** Where, such as `status`, `headers.content-type` or `body.data[0].peerPort`. */
  at: string;
  recorded: unknown;
  ours: unknown;
}

/**
 * Where two plain values differ, down to the fields: a field that one of them lacks counts as
 * `undefined` there. The order of fields does not count, that of a list does.
 */
export function diff(recorded: unknown, ours: unknown, at = ""): Found[] {
  if (Object.is(recorded, ours)) return [];
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    const length = Math.max(recorded.length, ours.length);
    return Array.from({ length }, (_, i) => diff(recorded[i], ours[i], `${at}[${i}]`)).flat();
  }
  if (isRecord(recorded) && isRecord(ours)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(ours)]);
    return [...names].flatMap((name) =>
      diff(recorded[name], ours[name], at === "" ? name : `${at}.${name}`),
    );
  }
  return [{ at, recorded, ours }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
