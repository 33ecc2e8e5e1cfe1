import { seededRandom } from "../../bench/sim/random.ts";

/** Nodes of a site. */
export const NODES = 4;
/** Images that pulls choose from: see `images.ts`. */
export const IMAGES = 6;

/** A program on a host of its own: `node0`, `node1`, … */
export type Part = "registry" | "supernode" | `node${number}`;

/** What may go wrong, and what it does to a part. */
export const FAULTS = {
  /** SIGKILL; started again with what it left. */
  kill: "any",
  /** SIGTERM; the same. */
  term: "ours",
  /** SIGSTOP, then SIGCONT. */
  freeze: "any",
  /** All packets of its link are lost. */
  "black hole": "any",
  /** Some are. */
  "lossy link": "any",
  /** Somebody else fills the disk of its cache. */
  "full disk": "cache",
  /** Killed, and its cache is read-only when it starts again. */
  "read-only cache": "cache",
  /** Killed, and a byte of each cached file is another when it starts again. */
  "damaged cache": "cache",
  /** It may open hardly any file or connection more. */
  "out of descriptors": "ours",
  /** Its clock is set, and set right again. */
  "clock jump": "ours",
  /** A second dfdaemon is started on the same home and another port, and somebody pulls through it. */
  twin: "node",
  /** It says 503 or 429 to some requests, breaks answers off in the middle, or says no more. */
  "in trouble": "registry",
} as const;
export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];
/** … that every seed chooses from. The last is drawn by itself: it came when many seeds had their figures. */
const OLD_KINDS = FAULT_KINDS.filter((kind) => kind !== "in trouble");
/** The part of the seeds in which the registry is in trouble. */
const IN_TROUBLE = 0.4;
/** The part of the seeds in which somebody reads parts of layers. */
const READS_PARTS = 0.5;

export interface Fault {
  kind: FaultKind;
  part: Part;
  /** ms from the start. */
  atMs: number;
  /** ms until it is undone. */
  forMs: number;
  /** Percent of packets lost, or of requests that go wrong; descriptors left; ms by which the clock jumps. */
  amount?: number;
}

/** What is pulled: one of the images, one that is not there, or one of which a layer is missing. */
export type Wanted = number | "absent" | "broken";

export interface Pull {
  node: number;
  image: Wanted;
  /** ms from the start. */
  atMs: number;
}

/** Some bytes of an image's largest layer that somebody asks a node for by Range, as lazy snapshotters do. */
export interface PartRead {
  node: number;
  image: number;
  /** Where in the layer, in [0, 1). */
  at: number;
  /** At most: the layer may end before. */
  bytes: number;
  /** ms from the start. */
  atMs: number;
}

/** What happens to one site. */
export interface Schedule {
  seed: number;
  cdnPattern: "source" | "local";
  pulls: Pull[];
  parts: PartRead[];
  faults: Fault[];
}

const PARTS: Part[] = [
  "registry",
  "supernode",
  ...Array.from({ length: NODES }, (_, index): Part => `node${index}`),
];
/** Faults begin within this time, ms: while pulls are under way. */
const LAST_FAULT_MS = 2500;
const HOUR_MS = 3_600_000;

/** The schedule of a seed: always the same. Pure. */
export function scheduleOf(seed: number): Schedule {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const between = (from: number, to: number) => from + below(to - from + 1);
  const pick = <Item>(items: readonly Item[]) => items[below(items.length)]!;

  const cdnPattern = random() < 0.7 ? "source" : "local";
  const pulls: Pull[] = [];
  const popular = below(IMAGES);
  for (let node = 0; node < NODES; node++) {
    // As in a rollout: nearly all want the same at nearly the same time.
    pulls.push({ node, image: random() < 0.8 ? popular : below(IMAGES), atMs: below(1200) });
  }
  for (let more = between(1, 3); more > 0; more--) {
    const strange = random();
    const image = strange < 0.1 ? "absent" : strange < 0.2 ? "broken" : below(IMAGES);
    pulls.push({ node: below(NODES), image, atMs: between(500, 3000) });
  }

  const faults: Fault[] = [];
  const wanted = between(2, 5);
  // Each kind has its turn, so that few seeds see them all.
  const kinds = [OLD_KINDS[(seed >>> 0) % OLD_KINDS.length]!];
  while (kinds.length < wanted) kinds.push(pick(OLD_KINDS));
  for (const kind of kinds) {
    const part = pick(PARTS.filter((candidate) => isOpenTo(candidate, kind, cdnPattern)));
    const fault: Fault = {
      kind,
      part,
      atMs: between(100, LAST_FAULT_MS),
      forMs: between(200, 2500),
    };
    if (kind === "lossy link") fault.amount = between(1, 15);
    if (kind === "out of descriptors") fault.amount = between(0, 12);
    if (kind === "clock jump") fault.amount = Math.round((random() * 2 - 1) * 20 * HOUR_MS);
    // One at a time for each part: what both would undo is not clear.
    if (faults.some((other) => other.part === part && overlap(other, fault))) continue;
    faults.push(fault);
    // Most faults find the part at work.
    const node = part.startsWith("node") ? Number(part.slice("node".length)) : below(NODES);
    if (random() < 0.7) {
      pulls.push({ node, image: below(IMAGES), atMs: Math.max(0, fault.atMs - below(500)) });
    }
  }
  // Drawn last: whatever else a seed has is what it had before there was this fault.
  if (random() < IN_TROUBLE) {
    const fault: Fault = {
      kind: "in trouble",
      part: "registry",
      atMs: between(100, LAST_FAULT_MS),
      forMs: between(1000, 2500),
      amount: between(20, 60),
    };
    if (!faults.some((other) => other.part === "registry" && overlap(other, fault)))
      faults.push(fault);
  }
  const parts: PartRead[] = [];
  if (random() < READS_PARTS) {
    for (let more = between(2, 6); more > 0; more--) {
      // Some of what nobody else pulls, and some of what is being pulled.
      const image = random() < 0.5 ? popular : below(IMAGES);
      const bytes = 2 ** between(6, 20);
      parts.push({ node: below(NODES), image, at: random(), bytes, atMs: below(2500) });
    }
  }
  const byTime = (a: { atMs: number }, b: { atMs: number }) => a.atMs - b.atMs;
  for (const things of [pulls, parts, faults]) things.sort(byTime);
  return { seed, cdnPattern, pulls, parts, faults };
}

function isOpenTo(part: Part, kind: FaultKind, cdnPattern: Schedule["cdnPattern"]): boolean {
  switch (FAULTS[kind]) {
    case "any":
      return true;
    case "ours":
      return part !== "registry";
    case "cache":
      // In pattern `source` the supernode keeps no copies.
      return part.startsWith("node") || (part === "supernode" && cdnPattern === "local");
    case "node":
      return part.startsWith("node");
    case "registry":
      return part === "registry";
  }
}

/** Milliseconds that a part gets to come back before the next thing happens to it. */
const RECOVERY_MS = 1500;

function overlap(a: Fault, b: Fault): boolean {
  return a.atMs < b.atMs + b.forMs + RECOVERY_MS && b.atMs < a.atMs + a.forMs + RECOVERY_MS;
}

/** A schedule as people read it, a line for each thing. */
export function describeSchedule(schedule: Schedule): string {
  const lines = [
    ...schedule.pulls.map(({ node, image, atMs }) => ({
      atMs,
      text: `node${node} pulls ${typeof image === "number" ? `image ${image}` : `the ${image} image`}`,
    })),
    ...schedule.parts.map(({ node, image, at, bytes, atMs }) => ({
      atMs,
      text: `node${node} reads ${bytes} bytes at ${(100 * at).toFixed(0)} % of image ${image}`,
    })),
    ...schedule.faults.map(({ kind, part, atMs, forMs, amount }) => ({
      atMs,
      text: `${kind} at ${part} for ${forMs} ms${amount === undefined ? "" : ` (${amountOf(kind, amount)})`}`,
    })),
  ].sort((a, b) => a.atMs - b.atMs);
  return [
    `seed ${schedule.seed}, CDN pattern ${schedule.cdnPattern}`,
    ...lines.map(({ atMs, text }) => `  ${String(atMs).padStart(5)} ms  ${text}`),
  ].join("\n");
}

function amountOf(kind: FaultKind, amount: number): string {
  if (kind === "lossy link") return `${amount} % lost`;
  if (kind === "in trouble") return `${amount} % of the requests`;
  if (kind === "out of descriptors") return `${amount} left`;
  return `${(amount / HOUR_MS).toFixed(1)} h`;
}
