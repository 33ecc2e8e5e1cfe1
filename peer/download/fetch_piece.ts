import { createHash } from "node:crypto";
import { BadFrameError, unframe } from "../../protocol/piece_frame.ts";
import { contentSize, type PieceLayout, pieceContent } from "../../protocol/piece_range.ts";
import { type PieceSum, parsePieceSum } from "../../protocol/v1/piece_sum.ts";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { BadResponseError } from "../../runtime/plain_http/response_parser.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { biteOf, withinLimits } from "../../runtime/rate_limit/within_limits.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import { Deadline } from "./deadline.ts";
import { BadLengthError, FixedBody } from "./fixed_body.ts";
import { PEER_PATIENCE, pieceHeaders } from "./piece_question.ts";
import { LOOK_MS, Trickle } from "./trickle.ts";

/** Why a peer gave no good piece; `broken`: its answer began, and made no sense or did not bring the piece whole in time. */
export type PieceFailure = "unreachable" | "missing" | "broken" | "wrong";

/** A peer gave no good piece. */
export class PieceError extends Error {
  override name = "PieceError";
  readonly failure: PieceFailure;
  /** Digest in hex of what came, where it was another than was promised. */
  readonly realHex: string;
  constructor(failure: PieceFailure, message: string, realHex = "") {
    super(message);
    this.failure = failure;
    this.realHex = realHex;
  }
}

export interface FetchPieceOptions {
  http: HttpClient;
  layout: PieceLayout;
  limiters?: readonly RateLimit[];
  /** Bytes a second below which a peer is given up. */
  minRate: number;
  /** Told of bytes as they come. */
  onBytes?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal;
  /** What the piece is for, in a trace. */
  span?: Span;
}

/** v1's default of `--minrate`, bytes a second. */
export const MIN_RATE = 64 * 1024;

/**
 * Fetches one piece from another peer, or from the supernode's own copy, and checks it. Hot path.
 *
 * @returns the bare content of the piece
 * @throws {PieceError}
 */
export async function fetchPiece(task: PieceTask, options: FetchPieceOptions): Promise<Uint8Array> {
  const { layout } = options;
  const expected = expectedSum(task);
  const length = wireLength(task, layout, expected?.length);
  const start = task.pieceNum * layout.pieceSize;
  const end = layout.framed ? start + layout.pieceSize - 1 : start + length - 1;
  const { connectTimeoutMs, idleTimeoutMs } = PEER_PATIENCE;
  let into: FixedBody | undefined;
  const headMs = connectTimeoutMs + idleTimeoutMs;
  const mostMs = headMs + (layout.pieceSize / options.minRate) * 1000;
  const trickle = new Trickle(options.minRate);
  let passedMs = 0;
  const deadline = new Deadline(LOOK_MS, options.signal, () => {
    passedMs += LOOK_MS;
    // A head that comes a byte a second is no better than none.
    if (trickle.isOne(into?.filled ?? 0) || (!into && passedMs >= headMs)) return 0;
    return Math.min(LOOK_MS, mostMs - passedMs);
  });
  const bite = biteOf(options.limiters);
  try {
    await options.http.plain.get(
      { host: task.peerIp, port: task.peerPort },
      {
        path: task.path,
        headers: pieceHeaders(
          {
            range: { start, end },
            piece: task.pieceNum,
            pieceSize: layout.pieceSize,
            framed: layout.framed,
          },
          options.span,
        ),
        ...PEER_PATIENCE,
        signal: deadline.signal,
        onHead: ({ status, length: announced }) => {
          if (status !== 206) {
            throw new PieceError(
              status === 404 ? "missing" : "unreachable",
              `${peerName(task)} answers ${status} for piece ${task.pieceNum}`,
            );
          }
          // Only the last piece of a file of unknown length has a length that the peer may tell us.
          const wireBytes = length >= 0 ? length : announced;
          if (!(wireBytes >= 0 && wireBytes <= layout.pieceSize)) {
            throw new PieceError("wrong", `${peerName(task)} sends a piece of ${announced} bytes`);
          }
          into = new FixedBody(wireBytes);
        },
        target: () => into?.rest.subarray(0, bite),
        onBody: (chunk) => {
          into!.add(chunk);
          options.onBytes?.(chunk.byteLength);
          const goOn = withinLimits(chunk.byteLength, options.limiters);
          // Our own limits are no fault of the peer's.
          if (goOn) deadline.hold(goOn);
          return goOn;
        },
      },
    );
    into!.end();
  } catch (error) {
    into?.drop();
    if (error instanceof PieceError || options.signal?.aborted) throw error;
    if (error instanceof BadLengthError)
      throw new PieceError("wrong", `${peerName(task)}: ${error.message}`);
    const reason = deadline.passed ? "too slow" : (error as Error).message;
    const hasBegun = into || error instanceof BadResponseError;
    throw new PieceError(hasBegun ? "broken" : "unreachable", `${peerName(task)}: ${reason}`);
  } finally {
    deadline.clear();
  }
  const wire = into!.bytes;
  if (expected) {
    const real = createHash(expected.algorithm).update(wire).digest("hex");
    if (real !== expected.hex) {
      throw new PieceError(
        "wrong",
        `${peerName(task)}: piece ${task.pieceNum} has ${expected.algorithm} ${real}`,
        real,
      );
    }
  }
  if (!layout.framed) return wire;
  try {
    return unframe(wire, layout.pieceSize);
  } catch (error) {
    if (error instanceof BadFrameError)
      throw new PieceError("wrong", `${peerName(task)}: ${error.message}`);
    throw error;
  }
}

/** What the piece must hash to, by what the supernode says; `undefined` in pattern `source`. */
export function expectedSum({ pieceSha256, pieceMd5 }: PieceTask): PieceSum | undefined {
  return parsePieceSum(pieceSha256 || pieceMd5);
}

/** Bytes that the piece takes on the wire; -1 where neither checksum nor file length tells. */
function wireLength(task: PieceTask, layout: PieceLayout, announced: number | undefined): number {
  if (announced !== undefined && announced <= layout.pieceSize) return announced;
  if (layout.length < 0) return -1;
  const frame = layout.pieceSize - contentSize(layout);
  return pieceContent(task.pieceNum, layout).length + frame;
}

function peerName(task: PieceTask): string {
  return `peer ${task.peerIp}:${task.peerPort}`;
}
