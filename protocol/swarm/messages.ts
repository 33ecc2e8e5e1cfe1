import * as z from "zod";
import { DIGEST_BYTES, sealSchema } from "./seal.ts";

/**
 * What our own programs say to the supernode about a swarm. It begins with v1's registration, in which
 * a node of ours sends one field more, `swarm`; a supernode of ours answers with one more. Programs of
 * v1 neither send nor see it, and a supernode of v1 ignores it: then the node goes on as a v1 client.
 * So it does where the supernode speaks another version, as while a cluster is brought up to date. Version 2 has
 * blocks by the file's length.
 */
export const SWARM_VERSION = 2;

/** Bytes of a zone's name at most. */
export const MAX_ZONE = 128;
/** How many blocks a node names as starved at most, the first ones in its file. */
export const MAX_STARVED = 64;
/** … that it waits for in vain: few, since those who keep it waiting may only be slow. */
export const MAX_OWED = 16;
/** … that its readers wait for: whoever reads at more places waits a little longer at some. */
export const MAX_AWAITED = 8;
/** Neighbours whose paths are told again by one heartbeat, at most. */
export const MAX_RENEWED = 16;
/** Characters of a bitmap of v1's pieces at most. */
export const MAX_PIECES_TEXT = 65_536;
/** Characters of a bitmap in base64 at most: of a file of 400 GB. */
export const MAX_BITMAP = 64 * 1024;
/** Tasks in one heartbeat at most; a node with more sends several. */
export const MAX_HEARTBEAT_TASKS = 256;
/** Wrong blocks that a node names at most in a report, and unsealed ones that it asks for at once. */
export const MAX_WRONG = 64;
export const MAX_DIGESTS_ASKED = 1024;

/** Digests that a node is asked for, and tells, at once at most. */
export const MAX_TOLD = 1024;
/** Leases that a node says it works on at most. */
export const MAX_FETCHING = 8;

const count = z.number().int().nonnegative();

/** Consecutive blocks. */
export const blockRunSchema = z.object({ first: count, count: z.number().int().positive() });

/** `swarm` in the body of `POST /peer/registry`: this node takes part in our swarm. */
export const joinRequestSchema = z.object({
  version: z.number().int().positive(),
  /** The rack, room or data centre that the node is in, as its operator calls it. */
  zone: z.string().max(MAX_ZONE).default(""),
  /** Blocks held already: a node that comes back, or meets a new supernode. */
  held: count.default(0),
  /** Which: a bitmap in base64 (`bitmap.ts`). These are not fetched from the source again. */
  holds: z.string().max(MAX_BITMAP).optional(),
  /**
   * Of a node that was in this swarm until now, and had another supernode: the leases that it works on at the
   * source, or would go on with there. It goes on with those that it is granted again.
   */
  fetching: z.array(blockRunSchema).max(MAX_FETCHING).optional(),
  /** Blocks with which readers begin, where that is not the first. */
  awaited: z.array(count).max(MAX_AWAITED).optional(),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

/** A node that another is told of. */
export const neighbourSchema = z.object({
  /** Its client id for this task (`cid`). */
  id: z.string().min(1),
  ip: z.ipv4(),
  port: z.number().int().min(1).max(65535),
  /** `/peer/file/<taskFileName>`. */
  path: z.string(),
  /** Whether it is in the same zone. */
  near: z.boolean(),
});
export type Neighbour = z.infer<typeof neighbourSchema>;

/** Where to fetch what a lease names: asked as for a bare piece, by `Range` in bytes of the file. */
export const leaseOriginSchema = z.object({
  /** The supernode's own copy, or a v1 client that has this piece. */
  kind: z.enum(["seed", "peer"]),
  ip: z.ipv4(),
  port: z.number().int().min(1).max(65535),
  path: z.string(),
  /** What it does not give, for it is gone, is to be fetched from the source: the lease holds for that, too. */
  elseSource: z.boolean().optional(),
});
export type LeaseOrigin = z.infer<typeof leaseOriginSchema>;

/** The right to fetch a run of blocks, until it is done or taken back. */
export const leaseSchema = blockRunSchema.extend({
  id: count,
  /** Absent: from the source. */
  from: leaseOriginSchema.optional(),
});
export type LeaseGrant = z.infer<typeof leaseSchema>;

/** `swarm` in the data of the answer to `POST /peer/registry`. */
export const joinAnswerSchema = z.object({
  version: z.number().int().positive(),
  /** Bytes of a block. */
  blockBytes: z.number().int().positive(),
  neighbours: z.array(neighbourSchema),
  leases: z.array(leaseSchema),
  /** Of what it holds: what these blocks hash to is to be told as soon as it can. */
  tell: z.array(blockRunSchema).default([]),
  /** Milliseconds until the first heartbeat is due. */
  heartbeatMs: z.number().positive(),
  /** The key by which the supernode's seals are told from others; absent: it seals nothing. */
  sealKey: z.string().max(64).optional(),
  /** The supernode that has the task, `address:port`: to go on with, where it can be reached. */
  at: z
    .string()
    .regex(/^[\d.]{7,15}:\d{1,5}$/)
    .optional(),
});
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

/** A sha256 in base64. */
const digestSchema = z
  .base64()
  .refine((text) => text.length === Math.ceil(DIGEST_BYTES / 3) * 4, "not a sha256 in base64");

/** A block that came from a neighbour and is not what its seal says. */
export const wrongBlockSchema = z.object({
  block: count,
  /** The neighbour, by its client id. */
  from: z.string().min(1),
});
export type WrongBlock = z.infer<typeof wrongBlockSchema>;

/** What consecutive blocks hash to that a node holds. */
export const toldDigestsSchema = z.object({
  first: count,
  /** sha256 of each in base64. */
  digests: z.array(digestSchema).max(MAX_TOLD),
});
export type ToldDigests = z.infer<typeof toldDigestsSchema>;

/** How far a lease has come. */
export const leaseProgressSchema = z.object({
  id: count,
  /** Blocks fetched, from the first one on. */
  done: count,
  /** Bytes of the next one that have come. */
  partBytes: count.optional(),
  /** The source does not give the next block to this node: others may try. */
  failed: z.boolean().default(false),
  /** sha256 in base64 of each block fetched, from the first one on. */
  digests: z.array(digestSchema).default([]),
});
export type LeaseProgress = z.infer<typeof leaseProgressSchema>;

/** What a node says of one task. */
export const taskReportSchema = z.object({
  taskId: z.string().min(1),
  cid: z.string().min(1),
  /** Blocks held. */
  held: count,
  /** Bytes a second that arrived, and that were handed on, since the last heartbeat. */
  downRate: z.number().nonnegative().default(0),
  upRate: z.number().nonnegative().default(0),
  leases: z.array(leaseProgressSchema).default([]),
  /** How many more leases it could work on now. */
  wantsLeases: count.default(0),
  /** Blocks that it lacks and none of its neighbours has. */
  starved: z.array(count).max(MAX_STARVED).default([]),
  /** Blocks that its readers wait for. */
  awaited: z.array(count).max(MAX_AWAITED).default([]),
  /** Blocks that only neighbours have who say that they could send them at once, and send nothing, as nobody else does. */
  owed: z.array(count).max(MAX_OWED).default([]),
  /** Neighbours that it has dropped since the last heartbeat: silent, failing or slow. */
  dropped: z.array(z.string()).default([]),
  /** Those of them whose blocks it could not get: answers that broke off, or went on next to nothing at a time. */
  slow: z.array(z.string()).default([]),
  /** Neighbours whose paths are to be told again: those that it knows of expire some day. */
  renew: z.array(z.string()).max(MAX_RENEWED).optional(),
  /** What neighbours have sent that is wrong, since the last heartbeat. */
  wrong: z.array(wrongBlockSchema).max(MAX_WRONG).default([]),
  /** What it was asked to tell. */
  told: z.array(toldDigestsSchema).max(MAX_TOLD).default([]),
  /** Neighbours it has now. */
  neighbours: count,
  /** The pieces held that v1 clients may be sent here for: a bitmap in base64. Absent: all or none. */
  pieces: z.string().max(MAX_PIECES_TEXT).optional(),
  /** It goes, and serves this task no longer. */
  leaving: z.boolean().default(false),
});
export type TaskReport = z.infer<typeof taskReportSchema>;

/** `POST /swarm/heartbeat`: all tasks of a node at once. Also sent at once where a lease is done. */
export const heartbeatRequestSchema = z.object({
  version: z.number().int().positive(),
  tasks: z.array(taskReportSchema).max(MAX_HEARTBEAT_TASKS),
});
export type HeartbeatRequest = z.infer<typeof heartbeatRequestSchema>;

/** What a node is told about one task. */
export const taskAdviceSchema = z.object({
  taskId: z.string(),
  /** `false`: the supernode does not know this client (any more); it must register again. */
  known: z.boolean(),
  /** Nodes to exchange blocks with from now on, besides those it has. */
  neighbours: z.array(neighbourSchema).default([]),
  /**
   * All leases it holds from now on, in the order in which they are to be worked on: one that is missing has been taken
   * back, one may be shorter.
   */
  leases: z.array(leaseSchema).default([]),
  /** What blocks hash to of which this node has just told; it hands them on to its neighbours. */
  seals: z.array(sealSchema).default([]),
  /** Of what it holds: what these blocks hash to is to be told as soon as it can. */
  tell: z.array(blockRunSchema).default([]),
  /** What nobody has yet is on its way, to another node or to the supernode's own copy: to wait is no sign of trouble. */
  coming: z.boolean().default(false),
});
export type TaskAdvice = z.infer<typeof taskAdviceSchema>;

export const heartbeatAnswerSchema = z.object({
  /** Milliseconds until the next heartbeat is due. */
  heartbeatMs: z.number().positive(),
  tasks: z.array(taskAdviceSchema),
});
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswerSchema>;

/**
 * `POST /swarm/digests`: the seals of blocks that have come without one. Neighbours hand on seals with
 * the blocks, so it is asked only where one got lost, and once for many blocks.
 */
export const digestsRequestSchema = z.object({
  taskId: z.string().min(1),
  cid: z.string().min(1),
  blocks: z.array(count).max(MAX_DIGESTS_ASKED),
});
export type DigestsRequest = z.infer<typeof digestsRequestSchema>;

export const digestsAnswerSchema = z.object({
  seals: z.array(sealSchema),
  /** Those of the blocks that were held before the swarm began, and of which nobody will tell. */
  unknown: z.array(count).default([]),
});
export type DigestsAnswer = z.infer<typeof digestsAnswerSchema>;
