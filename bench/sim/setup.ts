import type { ServiceTimes } from "./supernode_model.ts";

/** What is simulated. Rates are bytes a second. */
export interface Setup {
  seed: number;
  nodes: number;
  /** Bytes of each layer; a node fetches all at once. */
  layers: readonly number[];
  /** What a node's line carries, in each direction. */
  link: number;
  registryLink: number;
  /** Racks, which all have as many nodes; each is a subnet. */
  racks: number;
  /** Whether the nodes are told the name of their rack, as their zone. */
  zones?: boolean;
  /** What each direction between two racks carries; absent: as much as there is. */
  thinLine?: number;
  /** When nodes come: at once, in no order, where it is absent; or evenly over some ms; or in so many
   * waves, each when the one before it is done. */
  arrival?: { spreadMs: number } | { waves: number };
  /** The part of the nodes that are slow, and the part of the speed that they have. */
  stragglers?: { part: number; speed: number };
  /** The part of the nodes that die, at random times between two, ms. */
  deaths?: { part: number; fromMs: number; toMs: number };
  service: ServiceTimes;
}

/** One way, ms. The supernode and the registry are across. */
export const LATENCY_MS = { inRack: 0.5, across: 1 };
