import type { PieceLayout } from "../../protocol/piece_range.ts";
import type { RegisterData } from "../../protocol/v1/register.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import type { Origin } from "../contract.ts";
import type { OwnPath } from "../store/own_path.ts";
import type { TaskFile } from "../store/task_file.ts";
import type { SupernodeClient } from "../supernode/supernode_client.ts";
import type { SupernodeList } from "../supernode/supernode_list.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import type { AwaitedBlocks } from "./awaited_blocks.ts";
import type { BodyCount } from "./body_count.ts";
import type { Source } from "./fetch_source.ts";

/** Who this client is in the swarm. */
export interface SwarmIdentity {
  cid: string;
  ip: string;
  hostName: string;
  /** Port of the peer server; 0: cannot serve. */
  port: number;
  /** `/peer/file/<taskFileName>`. */
  path: string;
  /** The key to the path; absent where the peer server asks for no pass. */
  ownPath?: OwnPath | undefined;
  md5?: string | undefined;
  identifier?: string | undefined;
  callSystem?: string | undefined;
  dfdaemon?: boolean | undefined;
  pattern?: string | undefined;
}

/** A registered client. */
export interface Membership {
  taskId: string;
  cid: string;
  supernode: SupernodeClient;
}

export interface SwarmOptions {
  identity: SwarmIdentity;
  source: Source;
  taskUrl: string;
  /** Name of the file on the peer server. */
  fileName: string;
  expectedLength?: number | undefined;
  http: HttpClient;
  supernodes: SupernodeList;
  limiters: readonly RateLimit[];
  /** What this node reads from outside at once. */
  bodies: BodyCount;
  /** Bytes a second below which a peer is given up. */
  minRate: number;
  /** Pieces in the works at once. */
  maxInFlight: number;
  /** This node's place in our own swarm; absent: v1's ways only. */
  swarms?: SwarmSessions | undefined;
  /** The rack, room or data centre that this node is in, as its operator calls it. */
  zone?: string | undefined;
  /** What an earlier download left of the file. */
  resumed?: TaskFile | undefined;
  /** What readers wait for. */
  awaited: AwaitedBlocks;
  signal: AbortSignal;
  /** The download, in a trace. */
  span: Span;
  /** Gives the file to fill once the layout is known; it may hold pieces already. */
  openFile(layout: PieceLayout, taskId: string): Promise<TaskFile>;
  onMember(membership: Membership): void;
  /** Bytes come, here or to another from whom this node will have them. */
  onAlive(): void;
  /** What has come from the source of a block that is not kept yet, from its first byte on; to be read during the call only. */
  onComing(block: number, come: Uint8Array): void;
  /** Keeps a piece's content; resolves when it is on disk. */
  onPiece(
    piece: number,
    content: Uint8Array,
    origin: Origin,
    /** Its sha256, where that is known. */
    digest?: Uint8Array,
  ): Promise<void>;
  /** Puts a piece down that may turn out wrong: nobody gets it yet; resolves when it is on disk. */
  onStaged(piece: number, content: Uint8Array, digest: Uint8Array): Promise<void>;
  /** A piece that was put down is right; it has so many bytes. */
  onConfirmed(piece: number, bytes: number, origin: Origin): void;
  /** A piece that is kept has turned out wrong. */
  onLost(piece: number): void;
}

/** All pieces are here, or why p2p ended before. */
export type SwarmOutcome =
  | { finished: true }
  | { finished: false; reason: number; error?: string; needAuth?: boolean };

/** v1's default of `--clientqueue`: pieces in the works at once. */
export const CLIENT_QUEUE = 6;

/** How the pieces of a task lie in its file, by the answer to a registration; -1 for an unknown length. */
export function pieceLayout(
  { pieceSize, cdnSource }: Pick<RegisterData, "pieceSize" | "cdnSource">,
  length: number,
): PieceLayout {
  return { pieceSize, framed: cdnSource !== "source", length };
}
