import * as z from "zod";

/** What every legacy route answers, with HTTP status 200 (protocol §1). */
export interface Envelope<Data = unknown> {
  code: number;
  msg?: string;
  data?: Data;
}

/** How a client reads an envelope; `data` is parsed by the exchange that knows it. */
export const envelopeSchema = z.object({
  code: z.number(),
  msg: z.string().optional(),
  data: z.unknown().optional(),
});

/** An error outside the envelope: HTTP 4xx/5xx with this body (protocol §1). */
export interface ErrorAnswer {
  code: number;
  message: string;
}
