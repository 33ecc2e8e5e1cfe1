/** How the console writes numbers: decimal units, as networks and registries have them. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `0 B`, `9.3 MB`, `312 MB`: three digits that count. */
export function bytes(count: number): string {
  let value = Math.max(0, count);
  let unit = 0;
  // What would be rounded to 1000 is 1.00 of the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes a second. */
export function rate(bytesPerSecond: number): string {
  return `${bytes(Math.round(bytesPerSecond))}/s`;
}

/** `1,234` */
export function whole(count: number): string {
  return WHOLE.format(count);
}

/** `1 node`, `3 nodes` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** A part of a whole, 0 to 1, in percent: 100 % only where it is all. */
export function percent(part: number): string {
  if (!(part > 0)) return "0 %";
  if (part >= 1) return "100 %";
  return `${Math.min(99, Math.max(1, Math.round(part * 100)))} %`;
}

/** `8 s`, `4 min`, `3 h`, `2 d` */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** Time of day, `14:03:20`. */
export function clock(atMs: number, withSeconds = true): string {
  const date = new Date(atMs);
  const parts = [date.getHours(), date.getMinutes(), ...(withSeconds ? [date.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
