import * as z from "zod";
import { caseBlind } from "../case_blind.ts";
import { servingPort } from "./register.ts";

/** `GET /peer/piece/suc`: this client holds that piece now (protocol §1). */
export const pieceSuccessSchema = z.object({
  taskId: z.string().min(1),
  cid: z.string().min(1),
  dstCid: z.string().default(""),
  pieceRange: z.string(),
});

/** `GET /peer/service/down`: this client no longer serves this task (protocol §1). */
export const serviceDownSchema = z.object({ taskId: z.string().min(1), cid: z.string().min(1) });

/** What was wrong with a piece (protocol §1). */
export const PieceErrorType = {
  fileNotExist: "FILE_NOT_EXIST",
  md5NotMatch: "FILE_MD5_NOT_MATCH",
} as const;
export type PieceErrorType = (typeof PieceErrorType)[keyof typeof PieceErrorType];

/** `GET /peer/piece/error`: a peer handed out a bad piece, or none (protocol §1). */
export const pieceErrorSchema = z.object({
  taskId: z.string().default(""),
  srcCid: z.string().default(""),
  dstCid: z.string().default(""),
  dstIp: z.string().default(""),
  range: z.string().default(""),
  realMd5: z.string().default(""),
  expectedMd5: z.string().default(""),
  errorType: z.string().default(""),
});

/** `POST /task/metrics`: how a whole download went (protocol §1). */
export const taskMetricsSchema = caseBlind(
  z.object({
    IP: z.string().default(""),
    cID: z.string().default(""),
    callSystem: z.string().default(""),
    /** A {@link BacksourceReason} as text. */
    backsourceReason: z.string().default(""),
    /** Seconds. */
    duration: z.number().default(0),
    /** Bytes. */
    fileLength: z.number().default(0),
    port: servingPort.default(0),
    success: z.boolean().default(false),
    taskId: z.string().default(""),
  }),
);
export type TaskMetrics = z.infer<typeof taskMetricsSchema>;

/** Why a download left p2p and went to the source (protocol §4). */
export const BacksourceReason = {
  none: 0,
  registerFailed: 1,
  md5Mismatch: 2,
  downloadError: 3,
  noSpace: 4,
  initError: 5,
  writeError: 6,
  hostError: 7,
  nodeEmpty: 8,
  sourceError: 10,
  userSpecified: 100,
} as const;
export type BacksourceReason = (typeof BacksourceReason)[keyof typeof BacksourceReason];
