/** Bytes for people: `812 B`, `4.2 MB`, `1.3 GB`, in powers of 1000 as registries count. */
export function showBytes(bytes: number): string {
  if (bytes < 0) return "?";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** A stretch of time for people, in its two largest units: `3 s`, `4 min`, `2 h 5 min`, `3 d 4 h`. */
export function showTime(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  // From a minute on, nobody counts seconds.
  const shown = parts.slice(first, first + 2).filter(([, unit]) => first === 3 || unit !== "s");
  return shown
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** `63 %`; never 100 before it is all, nor 0 when there is something. */
export function showShare(share: number): string {
  const percent = Math.round(share * 100);
  if (share > 0 && share < 1) return `${Math.min(99, Math.max(1, percent))} %`;
  return `${percent} %`;
}
