/** A port or address that cannot be listened on, said in words. */
export class ListenError extends Error {
  override name = "ListenError";
  /** Whether another program has the port. */
  readonly taken: boolean;
  constructor(message: string, taken = false) {
    super(message);
    this.taken = taken;
  }
}
