import { blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import { MAX_STARVED } from "../../protocol/swarm/messages.ts";
import { HeartbeatRelief, MEASURE_MS } from "../../supernode/schedule/heartbeat_relief.ts";
import type { MemberAdvice } from "../../supernode/schedule/member.ts";
import { SourceBudget } from "../../supernode/schedule/source_budget.ts";
import { SwarmTask } from "../../supernode/schedule/swarm_task.ts";
import type { Participant } from "./participant.ts";
import { seededRandom } from "./random.ts";
import { LATENCY_MS } from "./setup.ts";
import type { Source } from "./source.ts";
import { SupernodeModel } from "./supernode_model.ts";
import type { Talk } from "./talk.ts";
import type { World } from "./world.ts";

/** What the source takes to answer the supernode's question about a new task, ms. */
const PROBE_MS = 10;
/** How often the supernode looks for those who are silent, ms. */
const EXPIRE_MS = 250;
/** Leases that a participant can work on, or have before it. */
const LEASES = 2;

/** Nodes register with the supernode, report to it, and heed what it says. */
export class Tracker {
  readonly model: SupernodeModel;
  readonly #world: World;
  readonly #talk: Talk;
  readonly #source: Source;
  readonly #tasks: readonly SwarmTask[];
  readonly #relief = new HeartbeatRelief();

  constructor(world: World, talk: Talk, source: Source) {
    this.#world = world;
    this.#talk = talk;
    this.#source = source;
    this.model = new SupernodeModel(world.setup.service, (timeMs, run) => world.at(timeMs, run));
    const budget = new SourceBudget();
    this.#tasks = world.setup.layers.map(
      (length, task) =>
        new SwarmTask({
          blocks: blockCount(length),
          blockBytes: blockBytes(length),
          budget,
          random: seededRandom(world.setup.seed + 1 + task),
          relief: this.#relief,
        }),
    );
    world.at(EXPIRE_MS, () => this.#expire());
    this.#planMeasurement(0, 0);
  }

  /** A node registers for one layer after the other, and fetches the first ones meanwhile. */
  register(participant: Participant): void {
    const { id, node } = participant;
    const { setup, wiring } = this.#world;
    const task = this.#tasks[participant.task]!;
    const rack = wiring.rack[node];
    // Whoever comes first waits for the source's answer; the supernode serves others meanwhile.
    const probeMs = task.size > 0 ? 0 : PROBE_MS;
    this.#ask(node, "register", probeMs, (nowMs) => {
      const zone = setup.zones ? `rack ${rack}` : "";
      const advice = task.join({ id, zone, subnet: `10.0.${rack}`, serves: true, held: 0 }, nowMs);
      return () => {
        const isFirst = !participant.joined && participant.task === 0;
        if (!participant.joined) this.#talk.begin(participant);
        participant.joined = true;
        this.#heed(participant, advice);
        if (isFirst) this.#planReport(node, advice.heartbeatMs);
        const next = this.#world.of(node)[participant.task + 1];
        if (next && !next.joined) this.register(next);
      };
    });
  }

  /** A node reports on all its layers at once. */
  report(node: number, then: (heartbeatMs: number) => void = () => {}): void {
    const reports = this.#world
      .of(node)
      .filter(({ joined }) => joined)
      .map((participant) => {
        const { blocks, chooser, dropped, leases } = participant;
        participant.dropped = [];
        return {
          participant,
          held: blocks - chooser.missing,
          wantsLeases: chooser.missing > 0 ? Math.max(0, LEASES - leases.length) : 0,
          leases: this.#source.report(participant),
          starved: chooser.starved(MAX_STARVED),
          dropped,
        };
      });
    this.#ask(node, "heartbeat", 0, (nowMs) => {
      const answers = reports.map(({ participant, ...report }) => ({
        participant,
        advice: this.#tasks[participant.task]!.report(participant.id, report, nowMs),
      }));
      return () => {
        let heartbeatMs = Number.POSITIVE_INFINITY;
        for (const { participant, advice } of answers) {
          if (advice) this.#heed(participant, advice);
          else this.register(participant);
          heartbeatMs = Math.min(heartbeatMs, advice?.heartbeatMs ?? 1000);
        }
        then(heartbeatMs);
      };
    });
  }

  #planReport(node: number, inMs: number): void {
    this.#world.at(this.#world.nowMs + inMs, () => {
      if (!this.#world.isAlive(node)) return;
      this.report(node, (heartbeatMs) => this.#planReport(node, heartbeatMs));
    });
  }

  /** A request and its answer, each a way long. */
  #ask(
    node: number,
    kind: "register" | "heartbeat",
    extraMs: number,
    handle: (nowMs: number) => () => void,
  ): void {
    const world = this.#world;
    world.at(world.nowMs + LATENCY_MS.across, () =>
      this.model.serve(kind, world.nowMs, (doneMs) => {
        const answer = handle(doneMs);
        world.at(doneMs + extraMs + LATENCY_MS.across, () => {
          if (world.isAlive(node)) answer();
        });
      }),
    );
  }

  #heed(participant: Participant, advice: MemberAdvice): void {
    for (const { id, near } of advice.neighbours) {
      const other = this.#world.participant(Number(id), participant.task);
      this.#talk.connect(participant, other, near);
    }
    this.#source.heed(participant, advice.leases);
  }

  #planMeasurement(reports: number, busyMs: number): void {
    this.#world.at(this.#world.nowMs + MEASURE_MS, () => {
      const { model } = this;
      const busy = (model.busyMs - busyMs) / MEASURE_MS;
      const perSecond = (model.requests.heartbeat - reports) / (MEASURE_MS / 1000);
      this.#relief.measured(Math.min(1, busy), perSecond);
      this.#planMeasurement(model.requests.heartbeat, model.busyMs);
    });
  }

  #expire(): void {
    const { nowMs } = this.#world;
    this.model.timer(nowMs, (doneMs) => {
      for (const task of this.#tasks) task.expire(doneMs, doneMs - nowMs);
    });
    this.#world.at(nowMs + EXPIRE_MS, () => this.#expire());
  }
}
