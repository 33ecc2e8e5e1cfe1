import { FRAME_BYTES } from "./piece_frame.ts";

/** A stretch of bytes, both ends included. */
export interface ByteRange {
  start: number;
  end: number;
}

/** How the pieces of one task lie in its file. */
export interface PieceLayout {
  /** Bytes a full piece takes on the wire. */
  pieceSize: number;
  /** Whether pieces travel in frames (CDN pattern `local`) or bare (`source`), protocol §2. */
  framed: boolean;
  /** Bytes of the file, or -1 while nobody knows. */
  length: number;
}

/** `start-end`, as the wire writes a range. */
export function formatRange(range: ByteRange): string {
  return `${range.start}-${range.end}`;
}

/** Reads `start-end`; `undefined` unless both are whole numbers and start ≤ end. */
export function parseRange(text: string): ByteRange | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text.trim());
  if (!match) return undefined;
  const range = { start: Number(match[1]), end: Number(match[2]) };
  return range.start <= range.end ? range : undefined;
}

/** The range by which the wire names piece `number`: always a whole piece, also for the last one. */
export function wireRange(number: number, pieceSize: number): ByteRange {
  return { start: number * pieceSize, end: (number + 1) * pieceSize - 1 };
}

/** The piece that a wire range names, or `undefined` where it names none. */
export function pieceNumber(range: ByteRange, pieceSize: number): number | undefined {
  const number = range.start / pieceSize;
  return Number.isInteger(number) ? number : undefined;
}

/** File bytes in a full piece. */
export function contentSize(layout: PieceLayout): number {
  return layout.framed ? layout.pieceSize - FRAME_BYTES : layout.pieceSize;
}

/** How many pieces a file has; at least one, since an empty file is one empty piece (protocol §2). */
export function pieceCount(layout: PieceLayout): number {
  return Math.max(1, Math.ceil(layout.length / contentSize(layout)));
}

/** Where the content of piece `number` lies in the file: offset and length in bytes. */
export function pieceContent(
  number: number,
  layout: PieceLayout,
): { offset: number; length: number } {
  const size = contentSize(layout);
  const offset = number * size;
  const length = layout.length < 0 ? size : Math.max(0, Math.min(size, layout.length - offset));
  return { offset, length };
}
