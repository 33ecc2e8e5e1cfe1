import type { ByteRange } from "../../protocol/piece_range.ts";
import { type Span, traceHeaders } from "../../runtime/tracing/tracing.ts";
import { VERSION } from "../../runtime/version.ts";

/** How long to wait for a peer, or for the supernode's copy: they are near, and there are others. */
export const PEER_PATIENCE = {
  /** Milliseconds for a connection. */
  connectTimeoutMs: 1500,
  /** Milliseconds without a byte after which it counts as gone. */
  idleTimeoutMs: 5000,
};

/** What a peer is asked for. */
export interface PieceQuestion {
  /** In bytes of the file where it lies bare, else of the file with its frames. */
  range: ByteRange;
  piece: number;
  pieceSize: number;
  framed: boolean;
}

/** The headers by which peers ask each other for a piece (protocol §2). */
export function pieceHeaders(question: PieceQuestion, span?: Span): Record<string, string> {
  const { range, piece, pieceSize, framed } = question;
  return {
    range: `bytes=${range.start}-${range.end}`,
    pieceNum: String(piece),
    pieceSize: String(pieceSize),
    "user-agent": `dfget/${VERSION}`,
    ...(framed ? {} : { cdnSource: "source" }),
    ...traceHeaders(span),
  };
}
