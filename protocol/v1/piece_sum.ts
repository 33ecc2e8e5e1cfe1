import { createHash } from "node:crypto";

/** The digests by which pieces are checked: v1's, and ours, which processors compute three times as fast. */
export type SumAlgorithm = "md5" | "sha256";

/** What the bytes of a piece hash to as they go over the wire, frame included. */
export interface PieceSum {
  algorithm: SumAlgorithm;
  hex: string;
  /** Bytes on the wire. */
  length: number;
}

const SUM = /^([0-9a-f]{32}|[0-9a-f]{64}):(\d{1,10})$/i;
const MD5_DIGITS = 32;

/** `<hex>:<length>`, by md5 (32 digits) or sha256 (64); `undefined` where the text is no sum. */
export function parsePieceSum(text: string): PieceSum | undefined {
  const [, hex, length] = SUM.exec(text) ?? [];
  if (hex === undefined) return undefined;
  const algorithm = hex.length === MD5_DIGITS ? "md5" : "sha256";
  return { algorithm, hex: hex.toLowerCase(), length: Number(length) };
}

/** Whether a sum is v1's own. */
export function isMd5(sum: string): boolean {
  return parsePieceSum(sum)?.algorithm === "md5";
}

/** The sum of a piece's bytes as {@link parsePieceSum} reads it. */
export function sumOf(bytes: Uint8Array, algorithm: SumAlgorithm): string {
  return `${createHash(algorithm).update(bytes).digest("hex")}:${bytes.byteLength}`;
}

/** Whether bytes are those that a sum was made of. */
export function isIntact(bytes: Uint8Array, sum: string): boolean {
  const parsed = parsePieceSum(sum);
  return parsed !== undefined && sum === sumOf(bytes, parsed.algorithm);
}
