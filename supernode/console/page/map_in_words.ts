import { percent } from "./format.ts";

/** What the picture of a piece map (`FileView.map`) shows. */
export function inWords(map: string): string {
  if (map === "") return "Piece map: the length is not known yet";
  const cells = [...map];
  const part = (test: (cell: string) => boolean) =>
    percent(cells.filter(test).length / cells.length);
  const somebody = part((cell) => cell >= "1" && cell <= "9");
  const everybody = part((cell) => cell === "9");
  const coming = part((cell) => cell === "~");
  return `Piece map: ${somebody} is with some node, ${everybody} with all or nearly all, ${coming} is being fetched from outside`;
}
