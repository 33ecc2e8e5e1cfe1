import { setTimeout as sleep } from "node:timers/promises";
import type { ByteRange } from "../../protocol/piece_range.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { getLogger } from "../../runtime/logger.ts";
import { isPassingStatus } from "../../runtime/passing_status.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import {
  type FetchSourceOptions,
  readSourceRange,
  type Source,
  SourceRefusedError,
} from "./fetch_source.ts";

/** Answers in a row that bring nothing before the source counts as failing. */
const MOST_FAILURES = 4;
/** The pause after the first of them, ms; each one is four times as long as the last. */
const PAUSE_MS = 100;
/** An answer of which nothing comes for so long is asked for anew, ms; twice as long where that one, too, stands still. */
const STILL_MS = 5000;

const log = getLogger("dfclient");

/**
 * Reads a stretch of the file from the source, in spite of what passes: an answer that breaks off or stands still, as
 * that of a registry does which is restarted behind its load balancer, and one who has too much to do (408, 429, 5xx). It is
 * asked for the rest then, from the byte reached.
 *
 * @throws what {@link readSourceRange} throws, for good
 */
export async function readSourceOn(
  source: Source,
  range: ByteRange,
  reader: BodyReader,
  options: FetchSourceOptions & { signal: AbortSignal },
): Promise<void> {
  const { signal } = options;
  let { start } = range;
  const onBody = (chunk: Uint8Array) => {
    start += chunk.byteLength;
    return reader.onBody(chunk);
  };
  let failures = 0;
  for (;;) {
    const before = start;
    const idleTimeoutMs = STILL_MS * 2 ** failures;
    try {
      const rest = { start, end: range.end };
      return await readSourceRange(
        source,
        rest,
        { ...reader, onBody },
        { ...options, idleTimeoutMs },
      );
    } catch (error) {
      failures = start > before ? 0 : failures + 1;
      const isOver = signal.aborted || start > range.end || failures === MOST_FAILURES;
      if (isOver || !isPassing(error)) throw error;
      log.info("{url} is asked again from byte {start}: {reason}", {
        url: redactUrl(source.url),
        start,
        reason: (error as Error).message,
      });
      if (failures > 0) await sleep(PAUSE_MS * 4 ** (failures - 1), undefined, { signal });
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof SourceRefusedError) return isPassingStatus(error.status);
  return error instanceof HttpError;
}
