import * as z from "zod";
import { caseBlind } from "../case_blind.ts";
import { pathKeySchema } from "../path_pass.ts";
import { joinAnswerSchema, joinRequestSchema } from "../swarm/messages.ts";

/** `POST /peer/registry`: the first call of every download (protocol §1). */
const httpUrl = z
  .string()
  .max(64 * 1024, "must be no longer than 64 KiB")
  .regex(/^https?:\/\/\S+$/i, "must be an http or https URL");

/**
 * Names and ids; they are kept for every client, so nobody may fill the memory with them, and shown on terminals, which
 * nobody may steer by them.
 */
export const shortText = z
  .string()
  .max(1024, "must be no longer than 1024 characters")
  .regex(/^\P{Cc}*$/u, "must hold no control characters");

/** Ports on which a peer may serve; 0 or absent: it cannot serve (protocol §1). */
export const servingPort = z.union([z.literal(0), z.number().int().min(15000).max(65000)]);

/** Go's form decoder and curl users send numbers and booleans as text. */
const looseBoolean = z.union([
  z.boolean(),
  z.enum(["true", "false", "1", "0", ""]).transform((text) => text === "true" || text === "1"),
]);
const looseNumber = z.union([
  z.number(),
  z
    .string()
    .regex(/^-?\d+$/)
    .transform(Number),
]);

export const registerRequestSchema = caseBlind(
  z.object({
    /** The supernode's address as this client sees it. */
    superNodeIp: shortText.default(""),
    rawURL: httpUrl,
    /** `rawURL` without the `--filter` parameters; absent means the same. */
    taskURL: z.union([z.literal(""), httpUrl]).optional(),
    cID: shortText.min(1),
    IP: z.ipv4(),
    hostName: shortText.default(""),
    port: looseNumber.pipe(servingPort).default(0),
    /** `/peer/file/<taskFileName>`. */
    path: shortText.default(""),
    version: shortText.default(""),
    md5: shortText.default(""),
    identifier: shortText.default(""),
    callSystem: shortText.default(""),
    /** `"Name:value"` each. */
    headers: z.array(z.string()).default([]),
    dfdaemon: looseBoolean.default(false),
    insecure: looseBoolean.default(false),
    /** base64 of PEM each. */
    rootCAs: z.array(z.string()).default([]),
    taskId: z.string().default(""),
    fileLength: looseNumber.default(0),
    asSeed: looseBoolean.default(false),
    pattern: z.enum(["p2p", "cdn", "source", ""]).default("p2p"),
    /** Ours: this client checks pieces by sha256 (`pieceSha256` of a pull's answer), and needs no md5. */
    pieceSha256: z.boolean().default(false).catch(false),
    /** Ours: `path` is good only with a pass at its end, to be made by this key. */
    pathKey: pathKeySchema.optional().catch(undefined),
    /** Ours: absent from v1's clients, and of no account where it cannot be read. */
    swarm: joinRequestSchema.optional().catch(undefined),
  }),
);
export type RegisterRequest = z.infer<typeof registerRequestSchema>;

/** Where the bytes of a task come from at first: the supernode's copy, or the source itself. */
export type CdnSource = "supernode" | "source";

export const registerDataSchema = caseBlind(
  z.object({
    taskId: z.string().min(1),
    /** Bytes of the file, -1 while unknown. */
    fileLength: z.number().int(),
    /** Bytes of a full piece on the wire. */
    pieceSize: z.number().int().positive(),
    cdnSource: z.enum(["supernode", "source"]).catch("supernode"),
    asSeed: z.boolean().default(false),
    seedTaskID: z.string().default(""),
    /** Ours: whom this supernode tells the client's path it tells it with a pass. v1's tells it as it was given. */
    pathKey: z.boolean().optional().catch(undefined),
    /** Ours: only for a client that asked with one. */
    swarm: joinAnswerSchema.optional().catch(undefined),
  }),
);
export type RegisterData = z.infer<typeof registerDataSchema>;
