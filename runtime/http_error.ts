/** A request got no usable answer: no connection, a time-out, a broken body, too many redirects. */
export class HttpError extends Error {
  override name = "HttpError";
}
