import Table from "cli-table3";

/** A column: its title, and whether it holds numbers. */
export type Column = string | { title: string; right: true };

/** Lines up rows below their titles, without any frame: to be read, and to be cut by other programs. */
export function renderTable(columns: readonly Column[], rows: readonly string[][]): string {
  const nothing = Object.fromEntries(
    [
      ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"],
      ...["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
    ].map((name) => [name, ""]),
  );
  const table = new Table({
    head: columns.map((column) => (typeof column === "string" ? column : column.title)),
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
