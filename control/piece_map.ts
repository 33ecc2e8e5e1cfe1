import type { Holder, TaskView } from "../protocol/control/messages.ts";
import { Bitmap } from "../protocol/swarm/bitmap.ts";
import { showBytes, showShare } from "./amounts.ts";

/** The marks of a picture. */
export interface Marks {
  held: string;
  /** Some of what the place stands for. */
  part: string;
  /** Being fetched from the source, or from the supernode's copy. */
  coming: string;
  nothing: string;
}

export const BLOCKS: Marks = { held: "█", part: "▄", coming: "▒", nothing: "·" };
export const ASCII: Marks = { held: "#", part: "+", coming: "~", nothing: "." };

export interface MapOptions {
  /** Characters of a line. */
  width: number;
  marks: Marks;
}

/** Characters of a picture at least, however narrow the terminal. */
const LEAST_WIDTH = 10;

/**
 * Who holds which part of a file, as lines: left its beginning, right its end; the supernode's own copy
 * first, then each node, and on top how many hold each part.
 */
export function drawPieceMap(task: TaskView, { width, marks }: MapOptions): string[] {
  const names = task.holders.map(nameOf);
  const nameWidth = Math.max(9, ...names.map((name) => name.length));
  const figures = task.holders.map(figuresOf);
  const figureWidth = Math.max(5, ...figures.map((text) => text.length));
  const room = Math.max(LEAST_WIDTH, width - nameWidth - figureWidth - 4);
  const cells = Math.min(room, Math.max(1, task.pieces));
  const line = (name: string, picture: string, after = "") =>
    `${name.padEnd(nameWidth)}  ${picture}  ${after}`.trimEnd();

  const seed = range(task.seeded);
  const rows = task.holders.map((holder) => heldBy(holder, task.pieces));
  const copies = cellsOf(cells, task.pieces, (piece) => {
    let holders = seed.has(piece) ? 1 : 0;
    for (const has of rows) if (has?.(piece)) holders += 1;
    return holders;
  }).map((counts) => digit(Math.min(...counts)));
  const lines = [
    line("copies", copies.join("")),
    line(
      "supernode",
      cellsOf(cells, task.pieces, (piece) => seed.has(piece))
        .map((held) => mark(held, false, marks))
        .join(""),
    ),
  ];
  for (const [index, holder] of task.holders.entries()) {
    const has = rows[index];
    const coming = new Set(holder.fetches);
    const picture = cellsOf(cells, task.pieces, (piece) => piece)
      .map((pieces) => {
        const fetching = pieces.some((piece) => coming.has(piece));
        // All that is known of it is how much it has.
        if (!has) return fetching ? marks.coming : marks.part;
        return mark(pieces.map(has), fetching, marks);
      })
      .join("");
    lines.push(line(names[index]!, picture, figures[index]));
  }
  return lines;
}

/** Which pieces a node holds; `undefined` where only their part of the whole is known. */
function heldBy(holder: Holder, pieces: number): ((piece: number) => boolean) | undefined {
  if (holder.state === "SUCCESS" || holder.share === 1) return () => true;
  if (holder.pieces !== undefined) {
    try {
      const bitmap = Bitmap.fromBase64(holder.pieces, pieces);
      // Less than a piece may be here.
      if (bitmap.count > 0 || holder.share === 0) return (piece) => bitmap.has(piece);
    } catch {
      return undefined;
    }
  }
  return holder.share === 0 ? () => false : undefined;
}

/** Deals the pieces out to so many cells, in order, and asks about each. */
function cellsOf<Value>(cells: number, pieces: number, ask: (piece: number) => Value): Value[][] {
  return Array.from({ length: cells }, (_, cell) => {
    const first = Math.floor((cell * pieces) / cells);
    const end = Math.max(first + 1, Math.floor(((cell + 1) * pieces) / cells));
    return Array.from({ length: end - first }, (_, index) => ask(first + index));
  });
}

function mark(held: readonly boolean[], fetching: boolean, marks: Marks): string {
  if (held.every(Boolean)) return marks.held;
  if (fetching) return marks.coming;
  return held.some(Boolean) ? marks.part : marks.nothing;
}

function digit(count: number): string {
  return count > 9 ? "+" : String(count);
}

function range(count: number): { has(piece: number): boolean } {
  return { has: (piece) => piece < count };
}

function nameOf({ ip, port, hostName }: Holder): string {
  const short = hostName.split(".", 1)[0]!;
  return short ? `${short} ${ip}:${port}` : `${ip}:${port}`;
}

function figuresOf({ state, share, downRate }: Holder): string {
  const rate = downRate > 0 && share < 1 ? `  ${showBytes(downRate)}/s` : "";
  return state === "FAILED" ? "failed" : `${showShare(share).padStart(5)}${rate}`;
}
