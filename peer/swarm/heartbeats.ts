import {
  type HeartbeatAnswer,
  MAX_HEARTBEAT_TASKS,
  SWARM_VERSION,
  type TaskAdvice,
  type TaskReport,
} from "../../protocol/swarm/messages.ts";
import type { SupernodeClient } from "../supernode/supernode_client.ts";

/** What has something to say to a supernode now and then. */
export interface Reporter {
  readonly taskId: string;
  readonly cid: string;
  report(): TaskReport;
  /** The supernode's answer. */
  advise(advice: TaskAdvice): void;
  /** The supernode did not answer. */
  unheard(error: Error): void;
}

/** Who is about to report anyway comes along when another does, ms. */
const TOGETHER_MS = 300;

/**
 * Sends the heartbeats of all downloads of this node, those to one supernode together: the supernode's
 * work is a request a node, not a request a task.
 */
export class Heartbeats {
  readonly #supernodes = new Map<SupernodeClient, Map<Reporter, number>>();
  readonly #sending = new Set<SupernodeClient>();
  #timer: NodeJS.Timeout | undefined;

  /** A download begins to report; the first time after `dueMs`. */
  add(supernode: SupernodeClient, reporter: Reporter, dueMs: number): void {
    let reporters = this.#supernodes.get(supernode);
    if (!reporters) this.#supernodes.set(supernode, (reporters = new Map()));
    reporters.set(reporter, performance.now() + dueMs);
    this.#schedule();
  }

  remove(reporter: Reporter): void {
    for (const [supernode, reporters] of this.#supernodes) {
      reporters.delete(reporter);
      if (reporters.size === 0) this.#supernodes.delete(supernode);
    }
  }

  /** A download has news that should not wait, or only so many milliseconds. */
  hurry(reporter: Reporter, withinMs = 0): void {
    const dueMs = withinMs === 0 ? 0 : performance.now() + withinMs;
    for (const reporters of this.#supernodes.values()) {
      const before = reporters.get(reporter);
      if (before !== undefined) reporters.set(reporter, Math.min(before, dueMs));
    }
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    let next = Number.POSITIVE_INFINITY;
    for (const [supernode, reporters] of this.#supernodes) {
      if (this.#sending.has(supernode)) continue;
      for (const due of reporters.values()) next = Math.min(next, due);
    }
    if (!Number.isFinite(next)) return;
    this.#timer = setTimeout(() => this.#sendDue(), Math.max(0, next - performance.now()));
    this.#timer.unref();
  }

  #sendDue(): void {
    const nowMs = performance.now();
    for (const [supernode, reporters] of this.#supernodes) {
      if (this.#sending.has(supernode)) continue;
      const due = [...reporters].filter(([, dueMs]) => dueMs <= nowMs + TOGETHER_MS);
      if (!due.some(([, dueMs]) => dueMs <= nowMs)) continue;
      this.#sending.add(supernode);
      // It never rejects: what goes wrong is told to those concerned.
      void this.#send(
        supernode,
        due.slice(0, MAX_HEARTBEAT_TASKS).map(([reporter]) => reporter),
      ).finally(() => {
        this.#sending.delete(supernode);
        this.#schedule();
      });
    }
    this.#schedule();
  }

  async #send(supernode: SupernodeClient, reporters: Reporter[]): Promise<void> {
    const known = this.#supernodes.get(supernode);
    // Until the answer sets another time.
    for (const reporter of reporters) known?.set(reporter, Number.POSITIVE_INFINITY);
    let answer: HeartbeatAnswer;
    try {
      answer = await supernode.heartbeat({
        version: SWARM_VERSION,
        tasks: reporters.map((reporter) => reporter.report()),
      });
    } catch (error) {
      for (const reporter of reporters) if (known?.has(reporter)) reporter.unheard(error as Error);
      return;
    }
    const dueMs = performance.now() + answer.heartbeatMs;
    for (const [index, reporter] of reporters.entries()) {
      // It has left, or is with another supernode now: one that was frozen meanwhile has no say any more.
      if (!known?.has(reporter)) continue;
      const advice = answer.tasks[index];
      // News that came meanwhile keep their hurry.
      if (known.get(reporter) === Number.POSITIVE_INFINITY) known.set(reporter, dueMs);
      if (advice?.taskId === reporter.taskId) reporter.advise(advice);
      else reporter.unheard(new Error(`supernode ${supernode.name} says nothing of this task`));
    }
  }
}
