import type { ByteRange } from "../../protocol/piece_range.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { type FetchSourceOptions, readSourceRange, type Source } from "./fetch_source.ts";
import { readThenGoOn } from "./read_then_go_on.ts";

/** Answers to one question that may break off before the source counts as failing. */
const MOST_BREAKS = 3;

const log = getLogger("dfclient");

/**
 * Reads a stretch of the file from the source; where an answer breaks off in the middle, as a registry's does that is
 * restarted behind its load balancer, the rest is asked for from the byte reached.
 *
 * @throws what {@link readSourceRange} throws
 */
export function readSourceOn(
  source: Source,
  range: ByteRange,
  reader: BodyReader,
  options: FetchSourceOptions & { signal: AbortSignal },
  breaks = MOST_BREAKS,
): Promise<void> {
  return readThenGoOn(range, reader, {
    signal: options.signal,
    open: (reader) => readSourceRange(source, range, reader, options),
    goOn: (rest, reader, reason) => {
      const isBroken = reason instanceof HttpError && rest.start > range.start;
      if (!isBroken || breaks === 0) throw reason;
      log.info("{url} broke off at byte {start}, and is asked for the rest: {reason}", {
        url: redactUrl(source.url),
        start: rest.start,
        reason: reason.message,
      });
      return readSourceOn(source, rest, reader, options, breaks - 1);
    },
  });
}
