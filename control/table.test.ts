import { expect, it } from "vitest";
import { renderTable } from "./table.ts";

const COLUMNS = ["task", { title: "size", right: true }, "url"] as const;
const URL = `https://registry.example.net/v2/team/app/blobs/sha256:${"a".repeat(56)}12345678`;
const ROWS = [
  ["36cee33330a4", "210 MB", URL],
  ["e5c2e2971601", "2 MB", "https://example.net/x"],
];
const widest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

it("for other programs, and where there is room: all of it, a line a row", () => {
  const [head, first, second] = renderTable(COLUMNS, ROWS).split("\n");
  expect(head).toBe("task            size  url");
  expect(first).toBe(`36cee33330a4  210 MB  ${URL}`);
  expect(second).toBe("e5c2e2971601    2 MB  https://example.net/x");
  expect(renderTable(COLUMNS, ROWS, 200)).toBe(renderTable(COLUMNS, ROWS));
});

it("on a narrow terminal the last column loses its middle, and no line is broken", () => {
  const shown = renderTable(COLUMNS, ROWS, 80);
  expect(widest(shown)).toBe(80);
  const [, first, second] = shown.split("\n");
  expect(first).toMatch(/^36cee33330a4 {2}210 MB {2}https:\/\/registry\.example\S+…a+12345678$/);
  expect(second).toMatch(/ https:\/\/example\.net\/x$/);
});

it("on one that is narrower still, each row is a block", () => {
  const shown = renderTable(COLUMNS, ROWS, 40);
  expect(widest(shown)).toBeLessThanOrEqual(40);
  const [first, second] = shown.split("\n\n");
  expect(first).toMatch(/^task {2}36cee33330a4\nsize {2}210 MB\nurl {3}https:\S+…\S+12345678$/);
  expect(second).toMatch(/^task {2}e5c2e2971601\n/);
});
