import type { BlockRun } from "../../protocol/swarm/blocks.ts";
import type { DigestRun } from "./block_digests.ts";
import { placeOf, type Resident } from "./neighbours.ts";
import type { BlockOrigin } from "./open_blocks.ts";

/** Who comes. */
export interface Newcomer {
  /** Its client id. */
  id: string;
  /** Where it is, whatever its id. Default: its id. */
  node?: string;
  zone: string;
  subnet: string;
  /** Whether others can be sent to it. */
  serves: boolean;
  /** Blocks it holds. */
  held: number;
  /** Which, where it says so. */
  holds?: Iterable<number> | undefined;
  /** Of one whose supernode was another until now: what it is fetching from the source. */
  fetching?: readonly BlockRun[] | undefined;
  /** Blocks with which its readers begin, where that is not the first. */
  awaited?: readonly number[] | undefined;
}

/** What a member says; see `taskReportSchema` (protocol/swarm/messages.ts), where each is explained. */
export interface MemberReport {
  held: number;
  leases: readonly {
    id: number;
    done: number;
    partBytes?: number | undefined;
    failed: boolean;
    digests?: readonly string[];
  }[];
  wantsLeases: number;
  starved: readonly number[];
  awaited?: readonly number[];
  owed?: readonly number[];
  dropped: readonly string[];
  slow?: readonly string[];
  wrong?: readonly { block: number; from: string }[];
  told?: readonly { first: number; digests: readonly string[] }[];
}

/** What a member is told. */
export interface MemberAdvice {
  /** Its new neighbours. */
  neighbours: readonly { id: string; near: boolean }[];
  /** All leases it holds from now on. */
  leases: readonly { id: number; first: number; count: number; origin: BlockOrigin }[];
  /** What is news of what it has said about blocks: to be sealed. */
  digests: readonly DigestRun[];
  /** Blocks of which it is to tell what they hash to. */
  tell: readonly BlockRun[];
  /** Milliseconds until it should report again. */
  heartbeatMs: number;
}

/** A member of a task's swarm, as the supernode knows it. */
export interface Member extends Resident<Member> {
  readonly id: string;
  readonly node: string;
  readonly serves: boolean;
  held: number;
  lastSeenMs: number;
  /** How long the supernode had been deaf by then, ms. */
  deafMs: number;
  /** What it was told of when to report again, ms. */
  heartbeatMs: number;
  gone: boolean;
  /** Places that it cannot fetch from, by `BlockOrigin`'s kinds. */
  readonly refused: Set<BlockOrigin["kind"]>;
  /** Who has dropped it, and when, ms. */
  readonly doubters: Map<string, number>;
  /** What it held before the swarm began, as it says. */
  readonly heldBefore: readonly number[];
  /** Whether it may still have to be asked what that hashes to. */
  asks: boolean;
}

/** @param heldBefore what it is believed, for the present, to hold */
export function newMember(
  { id, node = id, zone, subnet, serves, held }: Newcomer,
  heldBefore: readonly number[],
): Member {
  return {
    ...{ id, node, zone, serves, held, heldBefore },
    place: placeOf(zone, subnet),
    neighbours: new Set(),
    lastSeenMs: 0,
    deafMs: 0,
    heartbeatMs: 0,
    gone: false,
    refused: new Set(),
    doubters: new Map(),
    asks: heldBefore.length > 0,
  };
}
