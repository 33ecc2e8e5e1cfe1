import type { AlertRange } from "./range.ts";

/** A plugin's exit code is its place here (Monitoring Plugins Development Guidelines, "Plugin Return Codes"). */
export const STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
export type State = (typeof STATES)[number];

/** Of several states the last of these counts: what is known to be broken outweighs what is not known. */
const WORSE: readonly State[] = ["OK", "UNKNOWN", "WARNING", "CRITICAL"];

export interface Thresholds {
  warning?: AlertRange | undefined;
  critical?: AlertRange | undefined;
}

/** One thing that was found out. */
export interface Finding {
  state: State;
  /** What a person should know of it; absent: only a figure. */
  text?: string;
}

/** One figure for graphs. */
export interface Figure extends Thresholds {
  label: string;
  value: number;
  /** `s`, `B`, `c` for a counter, or nothing for a number. */
  unit: "s" | "B" | "c" | "";
}

/** Judges a figure by its thresholds. */
export function judge(figure: Figure, describe: (value: number) => string): Finding {
  const { value, warning, critical } = figure;
  for (const [state, range] of [
    ["CRITICAL", critical],
    ["WARNING", warning],
  ] as const) {
    if (range?.alerts(value)) return { state, text: `${describe(value)} (${range.text})` };
  }
  return { state: "OK", text: describe(value) };
}

/** The line that a plugin prints: the worst first, and figures behind the bar. */
export function report(
  title: string,
  findings: readonly Finding[],
  figures: readonly Figure[] = [],
): { state: State; line: string } {
  const sorted = [...findings].sort((a, b) => WORSE.indexOf(b.state) - WORSE.indexOf(a.state));
  const state = sorted[0]?.state ?? "OK";
  const texts = sorted.flatMap(({ text }) => (text === undefined ? [] : [oneLine(text)]));
  const data = figures.filter(({ value }) => Number.isFinite(value)).map(performanceData);
  const bar = data.length > 0 ? ` | ${data.join(" ")}` : "";
  return { state, line: `${title} ${state} - ${texts.join(", ")}${bar}` };
}

/** `'label'=value[unit];[warning];[critical];[minimum]` */
function performanceData({ label, value, unit, warning, critical }: Figure): string {
  const name = /^\w+$/.test(label) ? label : `'${label.replaceAll("'", "''")}'`;
  const thresholds = `${warning?.text ?? ""};${critical?.text ?? ""};`;
  const data = `${name}=${Number(value.toFixed(6))}${unit};${thresholds}`;
  return value >= 0 ? `${data}0` : data;
}

/** A bar would end the text, and a line break the line. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "/").trim();
}
