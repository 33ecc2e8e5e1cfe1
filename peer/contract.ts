import type { Hash } from "node:crypto";
import type { Digest } from "../protocol/digest.ts";
import type { ByteRange } from "../protocol/piece_range.ts";
import type { Links } from "../runtime/links/links.ts";
import type { LinkSettings } from "../runtime/links/settings.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";
import type { Span } from "../runtime/tracing/tracing.ts";

/** Where bytes came from. */
export type Origin = "peer" | "supernode" | "registry" | "cache";

/** A supernode as `nodes` and `--node` name it: `host[:8002][=weight]`. */
export interface SupernodeAddress {
  host: string;
  port: number;
  /** How often it is picked first, relative to the others. */
  weight: number;
}

export interface PeerOptions {
  /** The address other peers reach us at; also the one listened on. */
  ip: string;
  /** Port of the peer server; 0 takes the first free one of 15000…65000. */
  port: number;
  /** Where files and their indexes lie. */
  dataDir: string;
  supernodes: readonly SupernodeAddress[];
  /** Bytes a second of one download; 0: no limit. */
  localLimit?: number;
  /** Bytes a second of all downloads together; 0: no limit. */
  totalLimit?: number;
  /** Bytes a second below which another peer is given up. Default: 64 KiB. */
  minRate?: number;
  /** Pieces in the works at once, with a v1 supernode. Default: 6. */
  maxInFlight?: number;
  /** Names of query parameters that make no other task of a URL. */
  filter?: readonly string[];
  /** Bytes a second that all other peers together are given; 0: no limit. */
  uploadLimit?: number;
  /** Milliseconds after which a finished file nobody touched is deleted. Default: 3 min. */
  expireMs?: number;
  /** The rack, room or data centre that this node is in: nodes of the same one are preferred. */
  zone?: string;
  /** Told to the supernode, for its metrics. */
  callSystem?: string;
  /** Whether the downloads are dfdaemon's. */
  dfdaemon?: boolean;
  /** See {@link HttpClientOptions.hostAliases}. */
  hostAliases?: Readonly<Record<string, string>>;
  /** How supernodes and peers prove to each other that they belong together; absent: nobody asks. */
  links?: LinkSettings | undefined;
  /** Told of every stretch of file bytes that arrived. */
  onBytes?: (origin: Origin, bytes: number) => void;
  /** Told of every stretch of file bytes that was handed to another peer. */
  onServed?: (bytes: number) => void;
}

/** What of it may change while the peer runs. */
export type AdjustableOptions = Pick<
  PeerOptions,
  "supernodes" | "localLimit" | "totalLimit" | "uploadLimit"
>;

export interface OpenRequest {
  url: string;
  /** Sent to the source, and to the supernode for its own request there; to no peer. */
  headers: Readonly<Record<string, string>>;
  /** How to trust the source. */
  tls?: TlsTrust | undefined;
  /** What the bytes must hash to; a blob URL's own digest counts by itself. */
  digest?: Digest | undefined;
  /** Bytes, where the caller has already asked the source. */
  length?: number | undefined;
  /** The byte that will be read first: where only then the download begins it begins there. Default: 0. */
  from?: number | undefined;
  /** What the file is wanted for, in a trace. */
  span?: Span | undefined;
}

/** Bytes by where they came from, as attributes of a span. */
export function byOrigin(bytes: Readonly<Record<Origin, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(bytes).map(([origin, count]) => [`dragonfly.bytes.${origin}`, count]),
  );
}

/** How a download went. */
export interface DownloadSummary {
  length: number;
  /** A `BacksourceReason` (protocol §4); 0 where all went by p2p. */
  reason: number;
  seconds: number;
  bytes: Readonly<Record<Origin, number>>;
}

/** The first so many bytes of a file, and their hash, to go on with. */
export interface HashedStart {
  bytes: number;
  hash: Hash;
}

/** What of a file is read. */
export interface FilePart extends ByteRange {
  /**
   * It is wanted by itself, not to go on with what was read before: to hold its end back would not keep a file that is
   * wrong from being handed out whole. Lazy snapshotters read the last bytes of a layer first.
   */
  apart?: boolean;
}

/** A file in the making, or complete; several readers share it. */
export interface OpenFile {
  readonly taskId: string;
  readonly length: number;
  /**
   * The file's bytes in order, from the first piece on; the last piece is held back until the whole
   * file has been verified, but not from a part that is wanted by itself. Errors with
   * {@link WrongDigestError} where the bytes are wrong, else with {@link DownloadError} where they
   * cannot be had or kept here (a full disk, say): the caller may then go on from the byte reached by
   * other means. Cancelling it lets go of the file.
   */
  stream(range?: FilePart): ReadableStream<Uint8Array>;
  /**
   * Takes back the memory of a chunk that {@link stream} gave, to be used again: for those who read
   * much, and are sure that nobody looks at it any more. Chunks that are not given back are collected.
   */
  giveBack(chunk: Uint8Array): void;
  /**
   * For how long there has been no sign that bytes come, to this node or to another from whom it will have them, ms: the
   * source may be slow for everybody.
   */
  quietMs(): number;
  /**
   * What is here of the first bytes of a file that is still to be compared with its digest, for who goes on by other
   * means: all that was handed out from the start, but for what came straight from the source or cannot be read any
   * more. `undefined` where the file has been compared, or nobody knows its digest.
   */
  hashedStart(): Promise<HashedStart | undefined>;
  /** Settles when the file is complete and verified, or has failed. */
  readonly done: Promise<DownloadSummary>;
}

/** The file cannot be had this way; another way may work. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

/** The source wants credentials that this client did not give (code 608, protocol §1). */
export class NeedAuthError extends DownloadError {
  override name = "NeedAuthError";
}

/** The bytes are not what their digest says: no other way would make them right. */
export class WrongDigestError extends DownloadError {
  override name = "WrongDigestError";
}

/** What a peer has at this moment. */
export interface PeerStatus {
  /** Files that are being fetched. */
  downloads: number;
  /** Files in the cache, whole or in part, and their bytes. */
  cachedFiles: number;
  cachedBytes: number;
}

export interface Peer {
  readonly ip: string;
  readonly port: number;
  /** What {@link PeerOptions.links} came to, for who asks the supernode beside it. */
  readonly links?: Links | undefined;
  status(): PeerStatus;
  /**
   * Opens a file, from the cache, a download under way, or a new one.
   *
   * @throws {DownloadError} when p2p cannot be used for it (no length, for instance)
   */
  open(request: OpenRequest): Promise<OpenFile>;
  /**
   * Goes by another address of this host from now on. Files that are here are known to nobody until they are asked for
   * again, as after a restart; downloads under way go on.
   *
   * @throws {ListenError} where it cannot be served on: all stays as it was
   */
  moveTo(ip: string): Promise<void>;
  /** Takes other supernodes and limits; downloads under way keep their supernode. */
  adjust(settings: AdjustableOptions): void;
  /** Stops serving; keeps the cache on disk. */
  close(): Promise<void>;
}
