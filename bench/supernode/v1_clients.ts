import { setTimeout as sleep } from "node:timers/promises";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { PlainClient } from "../plain_client.ts";
import { Latencies, type LatencySummary } from "./latencies.ts";
import { registeredAs, registration } from "./swarm_nodes.ts";

export interface V1ClientsOptions {
  /** Of the supernode, on 127.0.0.1. */
  port: number;
  /** The file that all clients download. */
  url: string;
  /** Milliseconds that a piece takes. */
  pieceMs: number;
}

/** How long the requests of v1 clients took, by kind. */
export interface V1Latencies {
  register: LatencySummary;
  pull: LatencySummary;
  report: LatencySummary;
}

/** Where the numbers of v1 clients begin: no swarm node has one of them. */
const FIRST = 100_000;
/** Milliseconds over which the clients come. */
const ARRIVAL_MS = 2000;

/**
 * Many v1 clients at one file: each registers, pulls, takes its time for each piece, and reports it
 * twice, by `/peer/piece/suc` and with its next pull, until it has them all.
 */
export async function runV1Clients(count: number, options: V1ClientsOptions): Promise<V1Latencies> {
  const register = new Latencies();
  const pull = new Latencies();
  const report = new Latencies();
  const one = async (index: number) => {
    await sleep(Math.random() * ARRIVAL_MS);
    const client = new V1Load(options, FIRST + index, { register, pull, report });
    await client.run();
  };
  await Promise.all(Array.from({ length: count }, (_, index) => one(index)));
  return { register: register.summary(), pull: pull.summary(), report: report.summary() };
}

interface V1Measures {
  register: Latencies;
  pull: Latencies;
  report: Latencies;
}

class V1Load {
  readonly #options: V1ClientsOptions;
  readonly #index: number;
  readonly #latencies: V1Measures;
  readonly #held = new Set<number>();
  readonly #fetching = new Set<number>();
  #connection!: PlainClient;
  #taskId = "";
  /** Requests go one after the other on the one connection. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: V1ClientsOptions, index: number, latencies: V1Measures) {
    this.#options = options;
    this.#index = index;
    this.#latencies = latencies;
  }

  async run(): Promise<void> {
    const { port, url } = this.#options;
    const body = registration(this.#index, url, false);
    const text = await this.#latencies.register.measure(() => {
      this.#connection = new PlainClient(port);
      return this.#connection.ask("POST", "/peer/registry", body);
    });
    const { data } = JSON.parse(text) as { data?: { taskId: string } };
    if (!data) throw new Error(`the supernode does not register a v1 client: ${text}`);
    this.#taskId = data.taskId;
    await this.#pullUntilDone();
    this.#connection.close();
  }

  async #pullUntilDone(): Promise<void> {
    let about = "dstCid=&range=&result=502&status=700";
    let waitMs = 50;
    let wake = () => {};
    for (;;) {
      const answer = await this.#pull(about);
      if (answer.code === 600) return;
      if (answer.code !== 601 && answer.code !== 602)
        throw new Error(`the supernode answers a pull with ${answer.code}`);
      for (const piece of (answer.code === 601 ? answer.data : undefined) ?? []) {
        if (this.#held.has(piece.pieceNum) || this.#fetching.has(piece.pieceNum)) continue;
        this.#fetching.add(piece.pieceNum);
        waitMs = 50;
        void this.#fetch(piece).then(() => {
          about = `dstCid=${piece.cid}&range=${piece.range}&result=503&status=701`;
          wake();
        });
      }
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      // As v1 does: a little while, doubling, or until a piece is there.
      await Promise.race([woken, sleep(waitMs * (1 + Math.random()))]);
      waitMs = Math.min(800, waitMs * 2);
    }
  }

  async #fetch({ pieceNum, cid, range }: PieceTask): Promise<void> {
    await sleep(this.#options.pieceMs * (0.5 + Math.random()));
    const query = `taskId=${this.#taskId}&cid=${registeredAs(this.#index)}&dstCid=${cid}&pieceRange=${range}`;
    await this.#ask(this.#latencies.report, `/peer/piece/suc?${query}`);
    this.#fetching.delete(pieceNum);
    this.#held.add(pieceNum);
  }

  async #pull(about: string): Promise<{ code: number; data?: PieceTask[] }> {
    const query = `srcCid=${registeredAs(this.#index)}&${about}&taskId=${this.#taskId}`;
    return JSON.parse(await this.#ask(this.#latencies.pull, `/peer/task?${query}`));
  }

  #ask(latencies: Latencies, path: string): Promise<string> {
    const asked = this.#turn.then(() => latencies.measure(() => this.#connection.ask("GET", path)));
    this.#turn = asked.catch(() => {});
    return asked;
  }
}
