import * as z from "zod";

/**
 * What operators' tools ask a supernode of ours (docs/dfctl.md, "What it asks"): who is here, who holds
 * what, and the few things that they may have it do. Answers carry no client ids and no file names:
 * whoever knows those gets bytes (SECURITY.md).
 */
export const CONTROL_PREFIX = "/control";

const count = z.number().int().nonnegative();
const atMs = z.number();

/** Downloads of a task, or of all, by how they are. */
export const clientCountsSchema = z.object({
  waiting: count,
  running: count,
  success: count,
  failed: count,
});
export type ClientCounts = z.infer<typeof clientCountsSchema>;

/** `GET /control/status` */
export const statusViewSchema = z.object({
  version: z.string(),
  runtime: z.string(),
  /** How long the supernode has been running, ms. */
  uptimeMs: z.number(),
  /** Where nodes get a file from at first. */
  cdnPattern: z.enum(["local", "source"]),
  /** Takes no new work. */
  draining: z.boolean(),
  /** Whether it shares tasks with other supernodes, where it is to: `alone` while it cannot. */
  sharing: z.enum(["shared", "alone", "left"]).optional(),
  whyAlone: z.string().optional(),
  tasks: count,
  peers: count,
  clients: clientCountsSchema,
  /** What is left to do: 0 of each and draining, it can be stopped. */
  active: z.object({
    /** Downloads by nodes that have been heard of within the last minute. */
    clients: count,
    /** Downloads from sources into our own copies, those that wait for their turn too. */
    seeds: count,
    preheats: count,
  }),
  /** The supernode's own copies on disk; bytes. `unusable`: why none can be written, where that is so. */
  cache: z.object({
    files: count,
    bytes: count,
    freeBytes: count,
    unusable: z.string().optional(),
  }),
});
export type StatusView = z.infer<typeof statusViewSchema>;

/** One entry of `GET /control/tasks`. */
export const taskSummarySchema = z.object({
  id: z.string(),
  /** Without user, password and the values of query parameters. */
  url: z.string(),
  /** Bytes, -1 while unknown. */
  length: z.number().int(),
  /** Where its pieces come from at first. */
  cdnSource: z.enum(["supernode", "source"]),
  /** How far the supernode's own copy is; with `cdnSource: source`, `WAITING` is one that nobody asked for. */
  cdnStatus: z.string(),
  clients: clientCountsSchema,
  /** ms since the epoch. */
  createdMs: atMs,
  lastAccessMs: atMs,
});
export type TaskSummary = z.infer<typeof taskSummarySchema>;

/** A node that has, or fetches, a task. */
export const holderSchema = z.object({
  ip: z.string(),
  port: count,
  hostName: z.string(),
  /** Whether it exchanges blocks with others, or fetches pieces as v1 does. */
  protocol: z.enum(["swarm", "v1"]),
  dfdaemon: z.boolean(),
  state: z.enum(["WAITING", "RUNNING", "SUCCESS", "FAILED"]),
  /** Pieces held: a bitmap in base64; absent: none, or all where the state is SUCCESS. */
  pieces: z.string().optional(),
  /** The part of the file that it holds, 0 to 1. */
  share: z.number(),
  /** Pieces, or parts of some, that it fetches from the source or from the supernode's copy now. */
  fetches: z.array(count),
  /** Bytes a second that arrived, as the node said last; 0 for v1's. */
  downRate: z.number(),
  lastAccessMs: atMs,
});
export type Holder = z.infer<typeof holderSchema>;

/** `GET /control/tasks/{id}` */
export const taskViewSchema = taskSummarySchema.extend({
  /** Bytes of a full piece on the wire. */
  pieceSize: count,
  /** Pieces of the file; 0 while unknown. */
  pieces: count,
  /** How many pieces, from the first on, the supernode's own copy has. */
  seeded: count,
  holders: z.array(holderSchema),
});
export type TaskView = z.infer<typeof taskViewSchema>;

/** One entry of `GET /control/peers`. */
export const peerViewSchema = z.object({
  ip: z.string(),
  port: count,
  hostName: z.string(),
  version: z.string(),
  clients: clientCountsSchema,
  /** Bytes a second that arrive, over all its downloads. */
  downRate: z.number(),
  createdMs: atMs,
  lastAccessMs: atMs,
});
export type PeerView = z.infer<typeof peerViewSchema>;

/** `DELETE /control/tasks/{id}`, with `?force=true` also where nodes are fetching it. */
export const removedSchema = z.object({
  /** Whether a task of that id was known. */
  task: z.boolean(),
  /** Bytes of the supernode's own copy that were deleted. */
  bytes: count,
});
export type Removed = z.infer<typeof removedSchema>;

/** `POST /control/drain`; answered with {@link statusViewSchema}. */
export const drainRequestSchema = z.strictObject({ draining: z.boolean() });

/** Ports that a peer may serve on (protocol §1). */
export const PEER_PORTS = { first: 15_000, last: 65_000 } as const;

/** `POST /control/reachable`: can the supernode reach the asker's own peer server? */
export const reachableRequestSchema = z.strictObject({
  port: z.number().int().min(PEER_PORTS.first).max(PEER_PORTS.last),
});

export const reachableSchema = z.object({
  reachable: z.boolean(),
  /** The asker's address, as the supernode sees it. */
  address: z.string(),
  /** Why not; empty where it is. */
  reason: z.string(),
});
export type Reachable = z.infer<typeof reachableSchema>;

/** `GET /control/preheats/{id}` */
export const preheatViewSchema = z.object({
  id: z.string(),
  url: z.string(),
  status: z.enum(["WAITING", "RUNNING", "SUCCESS", "FAILED"]),
  error: z.string(),
  /** Of an image: its files, as soon as they are known; of a file: itself. */
  files: z.array(
    z.object({
      url: z.string(),
      status: z.enum(["WAITING", "RUNNING", "SUCCESS", "FAILED"]),
      /** Bytes, -1 while unknown. */
      length: z.number().int(),
      /** Bytes that the supernode's copy has. */
      bytes: count,
    }),
  ),
});
export type PreheatView = z.infer<typeof preheatViewSchema>;
