import { layerSizes } from "../demo/image.ts";
import type { Setup } from "./setup.ts";

/** One run of the simulation, as everything in it is meant. */
export interface Run {
  /** What it is called in the output. */
  name: string;
  setup: Omit<Setup, "seed" | "service">;
  /** Seconds that no node can beat: what the narrowest line on the way takes. */
  idealSeconds: number;
}

const GB = 1e9;
const MB = 1e6;
/** 10 Gbit/s. */
const REGISTRY_LINK = 1250 * MB;
/** Nodes to a rack. */
const RACK = 40;
/** Nodes that start in a second where they do not all start at once, as an orchestrator starts them. */
const STARTS_PER_SECOND = 3000;

/** An image of 1 GB for nodes on 1 Gbit/s. */
function gigabyte(nodes: number, more: Partial<Run["setup"]> = {}): Run["setup"] {
  return {
    nodes,
    layers: [GB],
    link: 125 * MB,
    registryLink: REGISTRY_LINK,
    racks: Math.ceil(nodes / RACK),
    ...more,
  };
}

const GIGABYTE_SECONDS = GB / (125 * MB);
/** Two racks, whose names the nodes know. */
const TWO_RACKS = { racks: 2, zones: true };

/** What grows: nodes. */
export const GROWTH = [100, 300, 1000, 3000, 15_000];

export const RUNS = {
  kraken: {
    name: "2,600 nodes, 3 GB in 2 layers, 300 MB/s, all at once",
    setup: {
      nodes: 2600,
      layers: [1.5 * GB, 1.5 * GB],
      link: 300 * MB,
      registryLink: REGISTRY_LINK,
      racks: 2600 / RACK,
    },
    idealSeconds: 10,
  },
  large: {
    name: "15,000 nodes, 1 GB, 125 MB/s, 3,000 starting a second",
    setup: gigabyte(15_000, { arrival: { spreadMs: (15_000 / STARTS_PER_SECOND) * 1000 } }),
    idealSeconds: GIGABYTE_SECONDS,
  },
  registry: {
    name: "1,000 nodes, registry link 1/10 of a node's",
    setup: gigabyte(1000, { registryLink: 12.5 * MB }),
    idealSeconds: GIGABYTE_SECONDS * 10,
  },
  trouble: {
    name: "1,000 nodes, 5 % at 1/20 speed, 2 % die in the middle",
    setup: gigabyte(1000, {
      ...growth(1000).setup,
      stragglers: { part: 0.05, speed: 1 / 20 },
      deaths: { part: 0.02, fromMs: 2000, toMs: 6000 },
    }),
    idealSeconds: GIGABYTE_SECONDS,
  },
  spread: {
    name: "1,000 nodes, arriving over 60 s",
    setup: gigabyte(1000, { arrival: { spreadMs: 60_000 } }),
    idealSeconds: GIGABYTE_SECONDS,
  },
  rolling: {
    name: "1,000 nodes, 10 % at a time",
    setup: gigabyte(1000, { arrival: { waves: 10 } }),
    idealSeconds: GIGABYTE_SECONDS,
  },
  racks: {
    name: "2 racks of 500, the line between them 1/20 of what each rack's nodes have",
    setup: gigabyte(1000, { ...TWO_RACKS, thinLine: (500 * 125 * MB) / 20 }),
    idealSeconds: GIGABYTE_SECONDS,
  },
  thinnest: {
    name: "2 racks of 500, the line between them 1/20 of one node's link",
    setup: gigabyte(1000, { ...TWO_RACKS, thinLine: (125 * MB) / 20 }),
    // Each rack gets half of the image from the registry, and the other half over the line.
    idealSeconds: GIGABYTE_SECONDS * 10,
  },
  grow100: growth(100),
  grow300: growth(300),
  grow1000: growth(1000),
  grow3000: growth(3000),
  /** What happens where the supernode cannot let all in in time. */
  atOnce: {
    name: "15,000 nodes, 1 GB, 125 MB/s, all in the same millisecond",
    setup: gigabyte(15_000),
    idealSeconds: GIGABYTE_SECONDS,
  },
  /** What `npm run bench -- rollout` measures, if nodes and registry had no work but to send. */
  rollout: {
    name: "8 nodes, 200 MB in 5 layers, each link 200 Mbit/s",
    setup: {
      nodes: 8,
      layers: layerSizes(200 * MB, 5),
      link: 25 * MB,
      registryLink: 25 * MB,
      racks: 1,
    },
    idealSeconds: 8,
  },
  /** Layers of which few blocks of 1 MiB can be made. */
  small: {
    name: "8 nodes, 45 MB in 3 layers, each link 200 Mbit/s",
    setup: {
      nodes: 8,
      layers: [5 * MB, 10 * MB, 30 * MB],
      link: 25 * MB,
      registryLink: 25 * MB,
      racks: 1,
    },
    idealSeconds: 1.8,
  },
} satisfies Record<string, Run>;
export type RunId = keyof typeof RUNS;

/** Made only where they are asked for by name. */
export const EXTRA: readonly RunId[] = ["atOnce", "rollout", "small"];

/** Simulated seconds after which a run has failed. */
export const LIMIT_SECONDS = 600;

function growth(nodes: number): Run {
  const spreadMs = (nodes / STARTS_PER_SECOND) * 1000;
  return {
    name: `${nodes.toLocaleString("en")} nodes, 1 GB, 125 MB/s, 3,000 starting a second`,
    setup: gigabyte(nodes, { arrival: { spreadMs } }),
    idealSeconds: GIGABYTE_SECONDS,
  };
}
