import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import type { LeaseOrigin } from "../../protocol/swarm/messages.ts";
import type { Origin } from "../contract.ts";

/** A run of blocks that the supernode has leased to this node, and how far it has come with it. */
export interface HeldLease {
  /** Another supernode may call it by another number. */
  id: number;
  /** Absent: the source. */
  from: LeaseOrigin | undefined;
  run: BlockRun;
  /** Blocks. */
  done: number;
  /** Bytes of the next block that are here. */
  partBytes: number;
  failed: boolean;
  /** sha256 in base64 of each block that is done. */
  readonly digests: string[];
  /** Absent while nothing has been asked of its source, and when that is over. */
  request: LeaseRequest | undefined;
}

export interface LeaseRequest {
  readonly abort: AbortController;
  /** Leaves the copy that is read, for the source. */
  readonly leave: AbortController;
  lastBlockComes: boolean;
}

/** Whether a lease is one of the source, or becomes one when the copy that it leads to is gone. */
export function isOfSource({ from }: Pick<HeldLease, "from">): boolean {
  return !from || from.elseSource === true;
}

/** How its bytes are counted. */
export function originOf(from: LeaseOrigin | undefined): Origin {
  if (!from) return "registry";
  return from.kind === "seed" ? "supernode" : "peer";
}

/** Where a lease leads to, for people. */
export function placeOf(from: LeaseOrigin | undefined): string {
  if (!from) return "the source";
  return from.kind === "seed" ? "the supernode" : "peer";
}

/** … with its address. */
export function nameOf(from: LeaseOrigin | undefined): string {
  return from ? `${placeOf(from)} ${from.ip}:${from.port}` : placeOf(from);
}
