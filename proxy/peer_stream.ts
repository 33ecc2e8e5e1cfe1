import { DownloadError, type FilePart, type OpenFile, type Peer } from "../peer/mod.ts";
import type { Span } from "../runtime/tracing/tracing.ts";
import type { SourceRequest } from "./ask_source.ts";

/** The peer has not opened a file in time. */
export class OpenTimeout extends Error {
  override name = "OpenTimeout";
}

/**
 * Opens a file by the peer, for `limitMs` at most.
 *
 * @param span the pull that it is for
 * @throws {OpenTimeout}, or what the peer throws
 */
export async function openInTime(
  peer: Peer,
  request: SourceRequest,
  { length, from }: { length: number; from: number },
  limitMs: number,
  span?: Span,
): Promise<OpenFile> {
  const opening = peer.open({
    url: request.url,
    headers: request.headers,
    tls: request.trust,
    length,
    from,
    span,
  });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // Should it open after all, nobody wants it any more.
      opening.then(release, () => {});
      reject(new OpenTimeout(`not open within ${limitMs} ms`));
    }, limitMs);
  });
  return Promise.race([opening, timeout]).finally(() => clearTimeout(timer));
}

/** Lets go of a file that nobody reads. */
export function release(file: OpenFile): void {
  file
    .stream()
    .cancel()
    .catch(() => {});
}

/**
 * The chunks of a file; given up when the client is gone, or when none comes for `stallMs` and there is no sign that any
 * will.
 */
export async function* readChunks(
  file: Pick<OpenFile, "stream" | "quietMs">,
  range: FilePart,
  signal: AbortSignal,
  stallMs: number,
): AsyncGenerator<Uint8Array> {
  const reader = file.stream(range).getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    for (;;) {
      const stalled = new Promise<never>((_, reject) => {
        const late = () => {
          const leftMs = stallMs - file.quietMs();
          if (leftMs > 0) timer = setTimeout(late, leftMs);
          else reject(new DownloadError(`no byte for ${stallMs / 1000} s`));
        };
        timer = setTimeout(late, stallMs);
      });
      const { done, value } = await Promise.race([reader.read(), stalled]);
      clearTimeout(timer);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}
