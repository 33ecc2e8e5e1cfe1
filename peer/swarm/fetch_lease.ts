import { blockLength, runRange } from "../../protocol/swarm/blocks.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { BodyReader } from "../../runtime/plain_http/connection.ts";
import { type Span, startSpan } from "../../runtime/tracing/tracing.ts";
import type { Origin } from "../contract.ts";
import type { BodyCount } from "../download/body_count.ts";
import type { FetchSourceOptions, Source } from "../download/fetch_source.ts";
import { readBareRange } from "../download/read_bare_range.ts";
import { readInParts } from "../download/read_in_parts.ts";
import { readSourceOn } from "../download/read_source_on.ts";
import { readThenGoOn } from "../download/read_then_go_on.ts";
import { type HeldLease, type LeaseRequest, nameOf, originOf, placeOf } from "./held_lease.ts";

export interface FetchLeaseOptions extends FetchSourceOptions {
  source: Source;
  /** Bytes. */
  fileLength: number;
  /** Bytes of a piece as v1 clients have them. */
  pieceSize: number;
  signal: AbortSignal;
  /** What else this node reads from outside. */
  bodies: BodyCount;
  /** The download, in a trace. */
  span: Span;
  /** Told what has come of a block from the source, or the supernode's copy, to be read during the call only. */
  onComing(block: number, come: Uint8Array): void;
  /** Keeps a block; resolves with its sha256. */
  onBlock(block: number, content: Uint8Array, origin: Origin): Promise<Uint8Array>;
}

const log = getLogger("dfclient");

/**
 * Fetches the blocks of a lease by one request, where its source is the supernode's copy and that is gone by another
 * for the rest, and writes down in the lease how far it is. One span a lease: blocks are too many.
 *
 * @param onLastBlock told once, when the last block begins to come in
 * @throws what {@link readInParts} and the lease's source throw
 */
export async function fetchLease(
  lease: HeldLease,
  request: LeaseRequest,
  options: FetchLeaseOptions,
  onLastBlock: () => void,
): Promise<void> {
  const signal = AbortSignal.any([request.abort.signal, options.signal]);
  const { from, run } = lease;
  const span = startSpan(`blocks from ${placeOf(from)}`, {
    kind: "client",
    parent: options.span,
    attributes: {
      "server.address": from ? `${from.ip}:${from.port}` : new URL(options.source.url).host,
      "dragonfly.block.first": run.first,
      "dragonfly.block.count": run.count,
    },
  });
  let failure: unknown;
  try {
    await readLease(lease, request, { ...options, signal, span }, onLastBlock);
  } catch (error) {
    // What was taken back is cut off on purpose.
    if (!signal.aborted && lease.done < lease.run.count) failure = error;
    throw error;
  } finally {
    span.set({ "dragonfly.blocks": lease.done });
    span.end(failure);
  }
}

async function readLease(
  lease: HeldLease,
  request: LeaseRequest,
  options: FetchLeaseOptions,
  onLastBlock: () => void,
): Promise<void> {
  const { source, fileLength, signal, bodies, limiters, onBlock, onComing } = options;
  const { from } = lease;
  const { first, count } = lease.run;
  const range = runRange(lease.run, fileLength);
  let origin = originOf(from);
  const ask = (reader: BodyReader, signal: AbortSignal) => {
    const asking = { ...options, signal };
    if (!from) return readSourceOn(source, range, reader, asking);
    if (!from.elseSource) return readBareRange(from, range, reader, asking);
    const whileThere = { ...asking, signal: AbortSignal.any([signal, request.leave.signal]) };
    return readThenGoOn(range, reader, {
      signal,
      open: (reader) => readBareRange(from, range, reader, whileThere),
      goOn: (rest, reader, reason) => {
        log.info("{origin} did not give bytes {start} to {end}, the source is to: {reason}", {
          origin: nameOf(from),
          ...rest,
          reason: reason.message,
        });
        origin = originOf(undefined);
        return readSourceOn(source, rest, reader, asking);
      },
    });
  };
  await readInParts(ask, {
    lengths: Array.from({ length: count }, (_, index) => blockLength(first + index, fileLength)),
    ...{ bodies, limiters, signal },
    onPart: async (index, content) => {
      if (origin !== "peer") onComing(first + index, content);
      const digest = await onBlock(first + index, content, origin);
      lease.digests.push(Buffer.from(digest).toString("base64"));
      // It is done sooner where the last blocks have come from elsewhere.
      lease.done = Math.max(lease.done, index + 1);
      // What was taken back meanwhile is not read to its end.
      if (lease.done >= lease.run.count && lease.done < count) lease.request?.abort.abort();
    },
    onProgress: (part, come) => {
      lease.partBytes = come.byteLength;
      if (origin !== "peer") onComing(first + part, come);
      if (!lease.request || request.lastBlockComes || part < lease.run.count - 1) return;
      request.lastBlockComes = true;
      onLastBlock();
    },
  });
}
