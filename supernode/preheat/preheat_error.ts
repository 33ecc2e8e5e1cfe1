/** A file or image that cannot be preheated; the message goes into the job's `errorMsg`. */
export class PreheatError extends Error {
  override name = "PreheatError";
}
