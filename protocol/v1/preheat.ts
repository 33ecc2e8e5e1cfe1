import * as z from "zod";
import { caseBlind } from "../case_blind.ts";
import { headersFromWire, headersToWire } from "../wire_headers.ts";

/** `os/architecture[/variant]` */
export const platformSchema = z.string().regex(/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/);

/** Characters of a URL at most: jobs are kept for a day. */
const MAX_URL = 8 * 1024;
const shortText = z.string().max(1024, "must be no longer than 1024 characters");

/** `POST /preheats`: fetch a file or an image before anyone asks for it (protocol §1, Preheat). */
export const preheatRequestSchema = caseBlind(
  z.object({
    type: z.enum(["image", "file"]),
    url: z.url({ protocol: /^https?$/ }).max(MAX_URL),
    filter: shortText.default(""),
    /** As a registrant's: without those that are not for a client to set. */
    headers: z
      .record(z.string(), z.string())
      .default({})
      .transform((headers) => headersFromWire(headersToWire(headers))),
    identifier: shortText.default(""),
    /** Of an image for several: only this one, `os/architecture[/variant]`. Ours; v1 takes all. */
    platform: platformSchema.optional(),
  }),
);
export type PreheatRequest = z.infer<typeof preheatRequestSchema>;

export type PreheatStatus = "WAITING" | "RUNNING" | "SUCCESS" | "FAILED";

/** `GET /preheats/{id}`. */
export interface PreheatAnswer {
  ID: string;
  /** RFC 3339. */
  startTime: string;
  finishTime: string;
  status: PreheatStatus;
  errorMsg?: string;
}
