/** Something that could not be done; the message says where, why, and what to do. */
export class ControlError extends Error {
  override name = "ControlError";
}
