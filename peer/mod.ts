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

import type { Peer, PeerOptions } from "./contract.ts";
import { NodePeer } from "./node_peer.ts";

export type {
  DownloadSummary,
  FilePart,
  HashedStart,
  OpenFile,
  OpenRequest,
  Origin,
  Peer,
  PeerOptions,
  PeerStatus,
  SupernodeAddress,
} from "./contract.ts";
export { byOrigin, DownloadError, WrongDigestError } from "./contract.ts";
export { type DfgetSettings, readDfgetSettings } from "./dfget/settings.ts";
export { parseSupernode } from "./supernode/parse_supernode.ts";

/**
 * Starts a peer: its server, its cache, its way to the supernode.
 *
 * @throws {ListenError} when its port is taken
 */
export function startPeer(options: PeerOptions): Promise<Peer> {
  return NodePeer.start(options);
}
