import { z } from "zod";
import { caseBlind } from "../case_blind.ts";

/** `os/architecture[/variant]` */
export const platformSchema = z.string().regex(/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/);

/** `POST /preheats`: fetch a file or an image before anyone asks for it (protocol §1, Preheat). */
export const preheatRequestSchema = caseBlind(
  z.object({
    type: z.enum(["image", "file"]),
    url: z.url({ protocol: /^https?$/ }),
    filter: z.string().default(""),
    headers: z.record(z.string(), z.string()).default({}),
    identifier: z.string().default(""),
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
