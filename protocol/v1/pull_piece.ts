import * as z from "zod";
import { caseBlind } from "../case_blind.ts";
import { ClientStatus, PieceResult } from "../codes.ts";

/** `GET /peer/task`: a client asks which pieces to fetch from whom (protocol §1). */
export const pullRequestSchema = z.object({
  srcCid: z.string().default(""),
  dstCid: z.string().default(""),
  range: z.string().default(""),
  result: z.coerce.number().pipe(z.enum(PieceResult)).optional(),
  status: z.coerce.number().pipe(z.enum(ClientStatus)),
  taskId: z.string().default(""),
});
export type PullRequest = z.infer<typeof pullRequestSchema>;

/** One entry of a 601 answer: fetch this piece from that peer. */
export const pieceTaskSchema = caseBlind(
  z.object({
    /** The piece's wire range, `start-end`. */
    range: z.string(),
    pieceNum: z.number().int().nonnegative(),
    pieceSize: z.number().int().positive(),
    /** `<md5 hex>:<wrapped length>`; empty in CDN pattern `source`. */
    pieceMd5: z.string().default(""),
    /** Ours: the same by sha256, for a client that said it checks pieces by that; `pieceMd5` is empty then. */
    pieceSha256: z.string().optional(),
    cid: z.string(),
    peerIp: z.string(),
    peerPort: z.number().int().min(0).max(65535),
    /** A path on the peer, or in pattern `source` the source's own URL. */
    path: z.string(),
    downLink: z.number().default(0),
  }),
);
export type PieceTask = z.infer<typeof pieceTaskSchema>;
export const pieceTasksSchema = z.array(pieceTaskSchema);

/** The data of a 600 answer: the whole file is there. */
export const finishedDataSchema = caseBlind(
  z.object({
    /** md5 of the whole file in hex, or empty (CDN pattern `source`). */
    md5: z.string().default(""),
    /** Bytes of the file and of its pieces' frames together. */
    fileLength: z.number().default(0),
  }),
);
export type FinishedData = z.infer<typeof finishedDataSchema>;
