import { setTimeout as sleep } from "node:timers/promises";
import {
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type JoinAnswer,
  type LeaseGrant,
  type LeaseProgress,
  SWARM_VERSION,
} from "../../protocol/swarm/messages.ts";
import { PlainClient } from "../plain_client.ts";
import { Latencies, type LatencySummary } from "./latencies.ts";

export interface SwarmNodesOptions {
  /** Of the supernode, on 127.0.0.1. */
  port: number;
  /** The file that all nodes download. */
  blob: string;
  /** Blocks of it. */
  blocks: number;
}

/** Registrations under way at once where nodes come one after the other. */
const ORDERLY = 32;
/** Blocks that a node gets between two heartbeats. */
const BLOCKS_A_BEAT = 20;

/**
 * Many nodes of our own swarm, as the supernode sees them: each registers and then sends a heartbeat
 * whenever the supernode has told it to, on a connection of its own that it keeps.
 */
export class SwarmNodes {
  readonly #options: SwarmNodesOptions;
  readonly #nodes: SwarmNode[] = [];
  #beats = new Latencies();

  constructor(options: SwarmNodesOptions) {
    this.#options = options;
  }

  /** So many more nodes register, some at a time. */
  async register(count: number): Promise<LatencySummary> {
    const fresh = this.#make(count);
    const latencies = new Latencies();
    const worker = async () => {
      for (let node = fresh.shift(); node; node = fresh.shift()) await this.#start(node, latencies);
    };
    await Promise.all(Array.from({ length: ORDERLY }, worker));
    return latencies.summary();
  }

  /** So many more nodes come at random moments within `withinMs`; 0: all in the same one. */
  async registerAtOnce(count: number, withinMs: number): Promise<LatencySummary> {
    const latencies = new Latencies();
    const comings = this.#make(count).map(async (node) => {
      if (withinMs > 0) await sleep(Math.random() * withinMs);
      await this.#start(node, latencies);
    });
    await Promise.all(comings);
    return latencies.summary();
  }

  /** What there was since the last call. */
  beats(): LatencySummary {
    const summary = this.#beats.summary();
    this.#beats = new Latencies();
    return summary;
  }

  close(): void {
    for (const node of this.#nodes) node.close();
  }

  #make(count: number): SwarmNode[] {
    const first = this.#nodes.length;
    const fresh = Array.from(
      { length: count },
      (_, at) => new SwarmNode(this.#options, first + at),
    );
    this.#nodes.push(...fresh);
    return fresh;
  }

  async #start(node: SwarmNode, latencies: Latencies): Promise<void> {
    await node.register(latencies);
    node.beat(() => this.#beats);
  }
}

class SwarmNode {
  readonly #options: SwarmNodesOptions;
  readonly #index: number;
  #connection: PlainClient | undefined;
  #taskId = "";
  #held = 0;
  #leases: readonly LeaseGrant[] = [];
  #neighbours = 0;
  #nextMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SwarmNodesOptions, index: number) {
    this.#options = options;
    this.#index = index;
  }

  async register(latencies: Latencies): Promise<void> {
    const { port, blob } = this.#options;
    const body = registration(this.#index, blob, true);
    const text = await latencies.measure(() => {
      const from = `127.1.${this.#index >> 8}.${this.#index & 255 || 1}`;
      this.#connection = new PlainClient(port, from);
      return this.#connection.ask("POST", "/peer/registry", body);
    });
    const { data } = JSON.parse(text) as { data?: { taskId: string; swarm?: JoinAnswer } };
    if (!data?.swarm) throw new Error(`the supernode does not take in a node: ${text}`);
    this.#taskId = data.taskId;
    this.#leases = data.swarm.leases;
    this.#neighbours = data.swarm.neighbours.length;
    this.#nextMs = performance.now() + data.swarm.heartbeatMs;
  }

  /** Sends a heartbeat when the supernode wants one, and so on. */
  beat(latencies: () => Latencies): void {
    const inMs = Math.max(0, this.#nextMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#heartbeat(latencies()).then(
        () => this.#closed || this.beat(latencies),
        (error: Error) => {
          if (!this.#closed) process.emit("uncaughtException", error);
        },
      );
    }, inMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  async #heartbeat(latencies: Latencies): Promise<void> {
    const body = JSON.stringify(this.#report());
    const text = await latencies.measure(() =>
      this.#connection!.ask("POST", "/swarm/heartbeat", body),
    );
    const answer = JSON.parse(text) as HeartbeatAnswer;
    const advice = answer.tasks?.[0];
    if (!advice?.known) throw new Error(`the supernode has forgotten a node: ${text}`);
    this.#leases = advice.leases;
    this.#neighbours += advice.neighbours.length;
    this.#nextMs = performance.now() + answer.heartbeatMs;
  }

  #report(): HeartbeatRequest {
    // Never the last block: one that has all of them reports seldom.
    this.#held = Math.min(this.#options.blocks - 1, this.#held + BLOCKS_A_BEAT);
    const leases: LeaseProgress[] = this.#leases.map(({ id, count }) => ({
      id,
      done: count,
      failed: false,
      digests: [],
    }));
    return {
      version: SWARM_VERSION,
      tasks: [
        {
          taskId: this.#taskId,
          cid: clientOf(this.#index),
          held: this.#held,
          downRate: 100_000_000,
          upRate: 90_000_000,
          leases,
          wantsLeases: leases.length > 0 ? 2 : 0,
          starved: [],
          awaited: [],
          owed: [],
          dropped: [],
          slow: [],
          wrong: [],
          told: [],
          neighbours: this.#neighbours,
          leaving: false,
        },
      ],
    };
  }
}

function clientOf(index: number): string {
  return `${addressOf(index)}-4711-1795513266.${index}`;
}

/** Every node has an address of its own; nobody calls there. */
function addressOf(index: number): string {
  return `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** The body of a registration, as a dfdaemon of ours, or v1's, sends it. */
export function registration(index: number, url: string, swarm: boolean): string {
  const ip = addressOf(index);
  return JSON.stringify({
    superNodeIp: "127.0.0.1",
    rawUrl: url,
    taskUrl: url,
    cid: clientOf(index),
    ip,
    hostName: `node-${index}`,
    port: 15001,
    path: `/peer/file/blob-${index}`,
    version: "1.0.6",
    headers: ["Authorization:Bearer abc"],
    dfdaemon: true,
    pattern: "p2p",
    ...(swarm ? { swarm: { version: SWARM_VERSION, zone: "", held: 0 } } : {}),
  });
}

/** The client id that {@link registration} says. */
export const registeredAs = clientOf;
