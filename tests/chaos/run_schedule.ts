import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Registry } from "../support/registry.ts";
import { cause } from "./faults.ts";
import type { Hosts } from "./host_network.ts";
import type { Images } from "./images.ts";
import { type Holdings, holdings, leaksOf } from "./leaks.ts";
import { type PullAttempt, type PullPlan, pullOnce } from "./pull.ts";
import { readPart } from "./read_part.ts";
import type { Fault, FaultKind, Part, PartRead, Pull, Schedule } from "./schedule.ts";
import { Site } from "./site.ts";

export interface World {
  hosts: Hosts;
  registry: Registry;
  images: Images;
  /** By so much all limits of time are longer. */
  patience: number;
  /** Takes the logs of failed runs. */
  failures: string;
}

/** What came of a schedule. */
export interface Outcome {
  schedule: Schedule;
  /** What should not have been; empty where all is well. */
  violations: string[];
  /** Pulls that went well, pulls again among them, and those that first failed as a direct one would have. */
  pulls: number;
  excused: number;
  bytes: number;
  /** ms that the slowest pull took which went well. */
  slowestMs: number;
  /** ms from the last fault's end until the swarm was healthy. */
  healthyMs: number;
}

/** ms after the last fault in which the swarm must be healthy. */
const HEALTHY_MS = 10_000;
/** A pull that takes longer has failed, ms. */
const PULL_MS = 60_000;
/** A healthy swarm asks the registry for each byte at most so many times. */
const HEALTHY_EGRESS = 1.6;
/** ms in which idle programs let go of what they hold: dfdaemon looks its cache through every 10 s. */
const SETTLE_MS = 13_000;
/** ms in which a program ends when told to. */
const END_MS = 5000;

/** Faults in which the clients of a node have no proxy, as nobody can help. */
const WITHOUT_PROXY: readonly FaultKind[] = ["kill", "term", "read-only cache", "damaged cache"];

/**
 * What a client says whose connection the runtime has taken and closed at once, which it does with all that
 * wait where the process may open none: no program of ours has seen it.
 */
const REFUSED =
  /(connection reset by peer|EOF|broken pipe|CONNECT aborted|empty reply from server)\W*$/i;

/** A time in which a part was away. */
interface Outage {
  part: Part;
  kind: FaultKind;
  fromMs: number;
  /** Infinite while it lasts. */
  toMs: number;
}

/** Runs a schedule on a new site, and looks whether all came out as it should. */
export async function runSchedule(world: World, schedule: Schedule): Promise<Outcome> {
  const site = await Site.start(world.hosts, world.registry, schedule.cdnPattern);
  const run = new ScheduleRun(world, site, schedule);
  try {
    await run.run();
  } catch (error) {
    run.violation(`the test itself: ${(error as Error).message}`);
  }
  if (run.outcome.violations.length > 0) await keepLogs(world, site, schedule).catch(() => {});
  await site.close().catch((error: Error) => run.violation(error.message));
  return run.outcome;
}

class ScheduleRun {
  readonly outcome: Outcome;
  readonly #world: World;
  readonly #site: Site;
  readonly #schedule: Schedule;
  readonly #outages: Outage[] = [];
  /** The last twin so far of each part, until it has ended. */
  readonly #twins = new Map<Part, Promise<void>>();
  /** The last fault so far of each part, until it is undone. */
  readonly #faults = new Map<Part, Promise<void>>();

  constructor(world: World, site: Site, schedule: Schedule) {
    this.#world = world;
    this.#site = site;
    this.#schedule = schedule;
    const counts = { pulls: 0, excused: 0, bytes: 0, slowestMs: 0, healthyMs: 0 };
    this.outcome = { schedule, violations: [], ...counts };
  }

  violation(what: string): void {
    this.outcome.violations.push(what);
  }

  async run(): Promise<void> {
    const site = this.#site;
    const before = new Map<Part, Holdings>();
    for (const part of site.parts.values()) {
      if (part.countsFile) before.set(part.name, await holdings(site, part));
    }
    const { pulls, parts, faults } = this.#schedule;
    const pulling = [
      ...pulls.map((pull) => this.#pull(pull)),
      ...parts.map((part) => this.#readPart(part)),
    ];
    await Promise.all(faults.map((fault) => this.#fault(fault)));
    const healedMs = performance.now();
    await Promise.all([this.#becomeHealthy(healedMs), ...pulling, ...this.#twins.values()]);
    await this.#settle(before);
    await this.#endInOrder();
  }

  /** Faults of a part happen one after the other, also where a slow machine is late to undo one. */
  async #fault(fault: Fault): Promise<void> {
    await sleep(fault.atMs);
    const before = this.#faults.get(fault.part);
    const happens = Promise.resolve(before).then(() => this.#happen(fault));
    this.#faults.set(fault.part, happens);
    await happens;
  }

  async #happen(fault: Fault): Promise<void> {
    const { part, kind } = fault;
    const outage: Outage = { part, kind, fromMs: performance.now(), toMs: Infinity };
    this.#outages.push(outage);
    if (kind === "twin") {
      // One at a time, as all of a node have the same port. What else befalls the node does not wait for it.
      const before = Promise.resolve(this.#twins.get(part));
      const node = Number(part.slice("node".length));
      this.#twins.set(
        part,
        before.then(() => this.#pullThroughTwin(node)),
      );
      return;
    }
    const undo = await cause(this.#site, fault);
    await sleep(fault.forMs);
    await undo();
    outage.toMs = performance.now();
  }

  async #pull(pull: Pull): Promise<void> {
    await sleep(pull.atMs);
    const { images } = this.#world;
    await this.#pullUntilDone({
      ...this.#from,
      node: pull.node,
      repository: images.repository(pull.image),
      expected: images.expected(pull.image),
    });
  }

  async #readPart(read: PartRead): Promise<void> {
    await sleep(read.atMs);
    const { images } = this.#world;
    const image = images.expected(read.image);
    if (typeof image === "string") throw new Error(`image ${read.image} cannot be had`);
    const repository = images.repository(read.image);
    const plan = { ...this.#from, ...read, repository, image };
    await this.#untilDone(read.node, `a part of ${repository}`, () => readPart(plan));
  }

  get #from() {
    const { registry, patience } = this.#world;
    return { site: this.#site, registry, limitMs: PULL_MS * patience };
  }

  /** Pulls again, as an engine does, while there is an excuse for its failing. */
  #pullUntilDone(plan: PullPlan): Promise<void> {
    return this.#untilDone(plan.node, plan.repository, () => pullOnce(plan));
  }

  async #untilDone(node: number, what: string, attempts: () => Promise<PullAttempt>) {
    for (;;) {
      const attempt = await attempts();
      this.#count(attempt);
      if (attempt.failure === undefined) return;
      const about = `node${node}, ${what}: ${attempt.failure}`;
      if (attempt.wrong || !this.#isExcused(node, attempt)) return this.violation(about);
      this.outcome.excused += 1;
      await sleep(300);
    }
  }

  #count(attempt: PullAttempt): void {
    if (attempt.failure !== undefined) return;
    this.outcome.pulls += 1;
    this.outcome.bytes += attempt.bytes;
    const tookMs = attempt.endedMs - attempt.startedMs;
    this.outcome.slowestMs = Math.max(this.outcome.slowestMs, tookMs);
  }

  /** Whether a direct pull would have failed as well, or the client had no proxy to ask. */
  #isExcused(node: number, { startedMs, endedMs, failure = "" }: PullAttempt): boolean {
    return this.#outages.some(({ part, kind, fromMs, toMs }) => {
      if (startedMs > toMs || endedMs < fromMs) return false;
      if (part === "registry") return kind === "kill" || kind === "in trouble";
      if (part !== `node${node}`) return false;
      if (kind === "out of descriptors") return REFUSED.test(failure);
      return WITHOUT_PROXY.includes(kind);
    });
  }

  async #pullThroughTwin(node: number): Promise<void> {
    const { images } = this.#world;
    const twin = await this.#site.startTwin(node);
    const image = this.#schedule.pulls[0]!.image;
    const wanted = typeof image === "number" ? image : 0;
    await this.#pullUntilDone({
      ...this.#from,
      node,
      proxy: twin.url,
      repository: images.repository(wanted),
      expected: images.expected(wanted),
    });
    if (!twin.process.running) this.violation("the twin has crashed");
    await twin.process.stop();
  }

  #lookForCrashes(): void {
    for (const name of this.#site.crashed()) this.violation(`${name} has crashed`);
  }

  /** Has all nodes pull something new at once, until the registry sends it about once. */
  async #becomeHealthy(healedMs: number): Promise<void> {
    const { registry, images, patience } = this.#world;
    const limitMs = HEALTHY_MS * patience;
    for (const { repository, image } of images.probes) {
      const startedMs = performance.now();
      const egress = await registry.egress();
      const attempts = await Promise.all(
        this.#site.nodes.map((_, node) =>
          pullOnce({ ...this.#from, node, repository, expected: image }),
        ),
      );
      for (const attempt of attempts) this.#count(attempt);
      const [layer] = image.layers;
      const times = (await egress.of(layer!)) / layer!.size;
      const failures = attempts.flatMap(({ failure }) => failure ?? []);
      for (const failure of failures) this.violation(`after the faults: ${failure}`);
      if (failures.length > 0) return;
      if (times <= HEALTHY_EGRESS) {
        this.outcome.healthyMs = Math.max(0, startedMs - healedMs);
        return;
      }
      if (startedMs - healedMs > limitMs) {
        const sent = `the registry sent a layer ${times.toFixed(1)} times`;
        return this.violation(`the swarm is not healthy ${limitMs} ms after the faults: ${sent}`);
      }
      await sleep(300);
    }
    this.violation("there are too few probes");
  }

  async #settle(before: ReadonlyMap<Part, Holdings>): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS * this.#world.patience;
    for (;;) {
      const leaks: string[] = [];
      for (const [name, had] of before) {
        leaks.push(
          ...(await leaksOf(this.#site, this.#site.part(name), had, this.#wasKilled(name))),
        );
      }
      if (leaks.length === 0) return;
      if (performance.now() > deadlineMs) {
        for (const leak of leaks) this.violation(leak);
        return;
      }
      await sleep(300);
    }
  }

  #wasKilled(name: Part): boolean {
    return this.#outages.some(({ part, kind }) => part === name && WITHOUT_PROXY.includes(kind));
  }

  async #endInOrder(): Promise<void> {
    this.#lookForCrashes();
    const limitMs = END_MS * this.#world.patience;
    const ours = [...this.#site.parts.keys()].filter((name) => name !== "registry");
    await Promise.all(
      ours.map(async (name) => {
        const startedMs = performance.now();
        const { code, signal } = await this.#site.end(name, "SIGTERM", 2 * limitMs);
        const tookMs = performance.now() - startedMs;
        if (code !== 0) this.violation(`${name} ended with ${code ?? signal} after SIGTERM`);
        if (tookMs > limitMs) this.violation(`${name} took ${Math.round(tookMs)} ms to end`);
      }),
    );
  }
}

/** Keeps what the programs of a failed run wrote. */
async function keepLogs(world: World, site: Site, { seed }: Schedule): Promise<void> {
  await site.writeOutputs(site.scratch.dir);
  for (const part of site.parts.values())
    if (part.name !== "registry") await site.end(part.name, "SIGKILL");
  await site.unmount();
  const kept = join(world.failures, `seed-${seed}`);
  await rm(kept, { recursive: true, force: true });
  await cp(site.scratch.dir, kept, { recursive: true });
}
