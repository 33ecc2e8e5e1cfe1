import type { Digest } from "../../protocol/digest.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import type { Origin } from "../contract.ts";
import type { SupernodeList } from "../supernode/supernode_list.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import type { BodyCount } from "./body_count.ts";
import type { Source } from "./fetch_source.ts";
import type { SwarmIdentity } from "./swarm_types.ts";

/** What a download is to bring, and how. */
export interface DownloadPlan {
  source: Source;
  /** `source.url` without its filtered parameters. */
  taskUrl: string;
  taskId: string;
  /** Cache key. */
  key: string;
  identity: SwarmIdentity;
  /** Where the file lies. */
  path: string;
  /** Name on the peer server. */
  name: string;
  /** Bytes, where the caller knows. */
  length?: number | undefined;
  /** The byte that its first reader begins with. Default: 0. */
  from?: number | undefined;
  digest?: Digest | undefined;
  /** md5 in hex that the file must have. */
  md5?: string | undefined;
  /**
   * Whether to go to the source where p2p fails: `joined` only for a download that the swarm has taken
   * in, because the caller has a plainer way to the source than through our file.
   */
  backToSource: "always" | "joined" | "never";
  /** Do not ask a supernode at all. */
  sourceOnly?: boolean;
}

/** What a download works with. */
export interface DownloadTools {
  http: HttpClient;
  supernodes: SupernodeList;
  limiters: readonly RateLimit[];
  /** What this node reads from outside at once. */
  bodies: BodyCount;
  /** This node's place in our own swarm; absent: v1's ways only. */
  swarms?: SwarmSessions | undefined;
  zone?: string | undefined;
  /** Bytes a second below which a peer is given up. Default: 64 KiB. */
  minRate?: number | undefined;
  /**
   * Bytes a second that the whole file must come at, by p2p and then from the source; absent: any. Not
   * for a file whose reader sets the pace.
   */
  lowestRate?: number | undefined;
  /** Pieces in the works at once. Default: 6. */
  maxInFlight?: number | undefined;
  /**
   * Bytes from which on a file is hashed by a thread beside the event loop. It takes some 10 MB, on Deno 25, which is for
   * who gets one file and ends. Absent: none is.
   */
  hashesBesideFrom?: number | undefined;
  onBytes?: ((origin: Origin, bytes: number) => void) | undefined;
  /** What the download is for, in a trace. */
  span?: Span | undefined;
}
