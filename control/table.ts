import Table from "cli-table3";
import { outputWidth, say } from "./output.ts";

/** A column: its title, and whether it holds numbers. */
export type Column = string | { title: string; right: true };

/** Characters of the last column that are worth a line of their own. */
const LEAST_REST = 24;

/**
 * Lines up rows below their titles, without any frame: to be read, and to be cut by other programs. Where a
 * terminal is too narrow for that, the last column is cut, and where that does not do each row becomes a block of
 * a line a column.
 *
 * @param width characters of a terminal's line; absent: as many as it takes
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly string[][],
  width = Number.POSITIVE_INFINITY,
): string {
  const whole = lineUp(columns, rows);
  if (widthOf(whole) <= width) return whole;
  const before =
    widthOf(
      lineUp(
        columns.slice(0, -1),
        rows.map((row) => row.slice(0, -1)),
      ),
    ) + 2;
  if (width - before >= LEAST_REST)
    return lineUp(
      columns,
      rows.map((row) => row.with(-1, cut(row.at(-1)!, width - before))),
    );
  return rows.map((row) => block(columns.map(titleOf), row, width)).join("\n\n");
}

/** Prints a table, as wide as the terminal's lines where it is shown on one. */
export function sayTable(columns: readonly Column[], rows: readonly string[][]): void {
  say(renderTable(columns, rows, outputWidth()));
}

/** Leaves out the middle: a URL's beginning has the registry, its end the digest. */
function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${text.slice(-tail)}`;
}

function block(titles: readonly string[], row: readonly string[], width: number): string {
  const room = Math.max(...titles.map((title) => title.length)) + 2;
  const rest = Math.max(LEAST_REST, width - room);
  return titles.map((title, at) => title.padEnd(room) + cut(row[at]!, rest)).join("\n");
}

function lineUp(columns: readonly Column[], rows: readonly string[][]): string {
  const nothing = Object.fromEntries(
    [
      ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"],
      ...["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
    ].map((name) => [name, ""]),
  );
  const table = new Table({
    head: columns.map(titleOf),
    colAligns: columns.map((column) => (typeof column === "string" ? "left" : "right")),
    chars: { ...nothing, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push(...rows);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function titleOf(column: Column): string {
  return typeof column === "string" ? column : column.title;
}

function widthOf(table: string): number {
  return Math.max(...table.split("\n").map((line) => line.length));
}
