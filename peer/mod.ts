/**
 * The public face of a node's peer: what the proxy (and any other program) may use of it.
 *
 * @example
 * ```ts
 * const peer = await startPeer({ ip: "10.64.0.11", port: 15001, dataDir, supernodes });
 * const file = await peer.open({ url, headers: { Authorization: "Bearer …" } });
 * for await (const bytes of file.stream()) { … }
 * await peer.close();
 * ```
 */

import type { Digest } from "../protocol/digest.ts";
import type { ByteRange } from "../protocol/piece_range.ts";
import type { TlsTrust } from "../runtime/http_client.ts";

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
  /** Milliseconds after which a finished file nobody touched is deleted. Default: 3 min. */
  expireMs?: number;
  /** Told to the supernode, for its metrics. */
  callSystem?: string;
  /** Whether the downloads are dfdaemon's. */
  dfdaemon?: boolean;
  /** See {@link HttpClientOptions.hostAliases}. */
  hostAliases?: Readonly<Record<string, string>>;
  /** Told of every stretch of file bytes that arrived. */
  onBytes?: (origin: Origin, bytes: number) => void;
}

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
}

/** How a download went. */
export interface DownloadSummary {
  length: number;
  /** A `BacksourceReason` (protocol §4); 0 where all went by p2p. */
  reason: number;
  seconds: number;
  bytes: Readonly<Record<Origin, number>>;
}

/** A file in the making, or complete; several readers share it. */
export interface OpenFile {
  readonly taskId: string;
  readonly length: number;
  /**
   * The file's bytes in order, from the first piece on; the last piece is held back until the whole
   * file has been verified. Errors with {@link WrongDigestError} where the bytes are wrong, else with
   * {@link DownloadError} where they cannot be had or kept here (a full disk, say): the caller may
   * then go on from the byte reached by other means. Cancelling it lets go of the file.
   */
  stream(range?: ByteRange): ReadableStream<Uint8Array>;
  /** Settles when the file is complete and verified, or has failed. */
  readonly done: Promise<DownloadSummary>;
}

/** The file cannot be had this way; another way may work. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

/** The bytes are not what their digest says: no other way would make them right. */
export class WrongDigestError extends DownloadError {
  override name = "WrongDigestError";
}

export interface Peer {
  readonly ip: string;
  readonly port: number;
  /**
   * Opens a file, from the cache, a download under way, or a new one.
   *
   * @throws {DownloadError} when p2p cannot be used for it (no length, for instance)
   */
  open(request: OpenRequest): Promise<OpenFile>;
  /** Stops serving; keeps the cache on disk. */
  close(): Promise<void>;
}

/** What a node's dfget flags and `/etc/dragonfly/dfget.yml` say together. */
export interface DfgetSettings {
  supernodes: SupernodeAddress[];
  home?: string;
  ip?: string;
  port?: number;
  localLimit?: number;
  totalLimit?: number;
  expireMs?: number;
  aliveMs?: number;
  callSystem?: string;
  verbose?: boolean;
}

/** Starts a peer: its server, its cache, its way to the supernode. */
export function startPeer(_options: PeerOptions): Promise<Peer> {
  return Promise.reject(new Error("not yet"));
}

/**
 * Reads dfget flags as dfdaemon's `dfget_flags` holds them, over what `configFile` says (absent: no
 * settings from it).
 *
 * @throws {UsageError} for a wrong flag, {ConfigError} for a wrong file
 */
export function readDfgetSettings(
  _flags: readonly string[],
  _configFile = "/etc/dragonfly/dfget.yml",
): Promise<DfgetSettings> {
  return Promise.reject(new Error("not yet"));
}

/** Reads `host[:8002][=weight]`; `undefined` where malformed. */
export function parseSupernode(text: string): SupernodeAddress | undefined {
  const match = /^([^\s:=]+)(?::(\d{1,5}))?(?:=(\d{1,6}))?$/.exec(text.trim());
  if (!match) return undefined;
  return {
    host: match[1]!,
    port: Number(match[2] ?? 8002),
    weight: Number(match[3] ?? 1),
  };
}
