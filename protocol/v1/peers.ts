import * as z from "zod";
import { caseBlind } from "../case_blind.ts";
import { servingPort, shortText } from "./register.ts";

/** `POST /api/v1/peers` (protocol §1). */
export const createPeerSchema = caseBlind(
  z.object({
    IP: z.ipv4(),
    hostName: shortText.default(""),
    port: servingPort.default(0),
    version: shortText.default(""),
  }),
);

/** One entry of `GET /api/v1/peers`. */
export interface PeerAnswer {
  ID: string;
  IP: string;
  /** RFC 3339 with milliseconds. */
  created: string;
  hostName: string;
  port: number;
  version?: string;
}

/** How far the supernode's own copy is. */
export type CdnStatus = "WAITING" | "RUNNING" | "FAILED" | "SUCCESS" | "SOURCE_ERROR";

/** `GET /api/v1/tasks/{id}`; v1 also shows the client's headers, credentials included: ours does not. */
export interface TaskAnswer {
  ID: string;
  cdnStatus: CdnStatus;
  /** Bytes of file and frames together; absent in CDN pattern `source`. */
  fileLength?: number;
  /** Bytes of the file. */
  httpFileLength: number;
  pieceSize: number;
  pieceTotal: number;
  rawURL: string;
  taskURL: string;
  realMd5?: string;
  md5?: string;
  identifier?: string;
}
