import type { PlainRequest } from "../../runtime/plain_http/connection.ts";

/** Who takes the body of an answer, as {@link PlainRequest} says it. */
export type BodyReader = Pick<PlainRequest, "onBody" | "target">;
