import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { Code } from "../../protocol/codes.ts";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { type Answer, recordedAnswer, replay, type Server } from "./answer.ts";
import { diff } from "./diff.ts";
import { meaning } from "./differences.ts";
import type { Ledger } from "./ledger.ts";
import { sourceFile } from "./origin.ts";
import { type Exchange, parameters, type Transcript } from "./transcript.ts";

/** Our programs, by the names that the recordings have for them. */
export interface Servers {
  supernode: Server;
  /** The supernode's file port. */
  cdn: Server;
  /** The peer server of the recorded host A. */
  peerA: Server & { dataDir: string };
}

/** What a supernode has told one client to fetch. */
interface Handed {
  scenario: string;
  recorded: Map<number, PieceTask>;
  ours: Map<number, PieceTask>;
  /** Reported as downloaded. */
  reported: Set<number>;
  /** Our last answer to a pull. */
  code: number;
  /** The code by which the recorded supernode gave the client up, if it did. */
  givenUpBy: number | undefined;
}

interface PullBody {
  code: number;
  data?: PieceTask[];
}

/** Codes after which a client goes on, or is content. */
const GOES_ON = new Set<number>([Code.finished, Code.continue, Code.wait]);
/** How long a supernode may let a client wait, ms. */
const PATIENCE_MS = 20_000;
/** The end of a path on our file port. */
const PASS = /(?<=^\/download\/[0-9a-f]{3}\/[0-9a-f]{64})\/[\w-]{32}$/;
/** The node in the recordings whose peer server was asked. */
const HOST_A = "127.0.0.2";

/**
 * Speaks to our programs as the Go programs spoke to theirs: the same requests in the same order, each
 * answer compared with the recorded one (README.md says how).
 */
export class RecordedClient {
  readonly #servers: Servers;
  readonly #ledger: Ledger;
  readonly #handed = new Map<string, Handed>();

  constructor(servers: Servers, ledger: Ledger) {
    this.#servers = servers;
    this.#ledger = ledger;
  }

  async play(transcript: Transcript): Promise<void> {
    const { scenario } = transcript;
    for (const exchange of transcript.exchanges) {
      const subject = `${scenario} ${exchange.method} ${exchange.path}`;
      if (isPull(exchange)) await this.#pull(transcript, subject, exchange);
      else if (!this.#isGivenUp(scenario, exchange))
        await this.#exchange(transcript, subject, exchange);
    }
    for (const handed of this.#handed.values())
      if (handed.scenario === scenario) this.#compareHanded(handed, transcript.cut);
    this.#ledger.expectNothingElse();
  }

  /** What was not recorded of a long download: the client goes on as it did, until it has everything. */
  async finish({ scenario, exchanges }: Transcript): Promise<void> {
    const pull = exchanges.findLast(isPull)!;
    const query = parameters(pull.path);
    const cid = query.get("srcCid")!;
    const taskId = query.get("taskId")!;
    const handed = this.#handed.get(cid)!;
    const deadline = performance.now() + PATIENCE_MS;
    while (handed.code !== Code.finished) {
      const piece = [...handed.ours.values()].find((task) => !handed.reported.has(task.pieceNum));
      if (!piece) {
        // Our supernode's copy may be made no faster than this client has fetched it.
        if (handed.code !== Code.wait || performance.now() > deadline)
          throw new Error(`${scenario}: nothing to fetch, but not finished either`);
        await sleep(5);
        const waits = { srcCid: cid, dstCid: "", range: "", result: "502", status: "700", taskId };
        this.#note(
          handed,
          await this.#send({ ...pull, path: `/peer/task?${new URLSearchParams(waits)}` }),
        );
        continue;
      }
      const { range } = piece;
      const report = new URLSearchParams({ taskId, cid, dstCid: piece.cid, pieceRange: range });
      await this.#send({ ...pull, path: `/peer/piece/suc?${report}` });
      handed.reported.add(piece.pieceNum);
      const said = { srcCid: cid, dstCid: piece.cid, range, result: "503", status: "701", taskId };
      const answer = await this.#send({
        ...pull,
        path: `/peer/task?${new URLSearchParams(said)}`,
      });
      this.#note(handed, answer);
    }
  }

  /** A node's peer server takes back what it has served under a registration. */
  async withdraw({ scenario, exchanges }: Transcript): Promise<void> {
    const pull = exchanges.find(isPull)!;
    const query = parameters(pull.path);
    const gone = new URLSearchParams({ taskId: query.get("taskId")!, cid: query.get("srcCid")! });
    const answer = await this.#send({ ...pull, path: `/peer/service/down?${gone}` });
    expect(answer, scenario).toMatchObject({
      status: 200,
      body: { code: Code.serviceDownReported },
    });
  }

  async #exchange(transcript: Transcript, subject: string, exchange: Exchange): Promise<void> {
    const { scenario } = transcript;
    let answer = await this.#send(exchange);
    // A copy that has turned out wrong is gone as soon as its clients are given up.
    if (exchange.to === "cdn" && answer.status === 404 && (await this.#givesUp(transcript))) return;
    // The recorded client came back some seconds later.
    while (/"Status":"(WAITING|RUNNING)"/.test(JSON.stringify(answer.body))) {
      await sleep(10);
      answer = await this.#send(exchange);
    }
    const meant = meaning(subject);
    this.#ledger.enter(subject, diff(meant(recordedAnswer(exchange)), meant(answer)));
    if (exchange.path === "/peer/registry") await this.#registered(scenario, exchange);
    if (exchange.path.startsWith("/peer/piece/suc?")) {
      const query = parameters(exchange.path);
      const handed = this.#handed.get(query.get("cid")!);
      const range = query.get("pieceRange");
      for (const task of handed?.recorded.values() ?? [])
        if (task.range === range) handed!.reported.add(task.pieceNum);
    }
  }

  /**
   * A pull. Our supernode may be faster or slower than the recorded one, so the client comes back as
   * often as it takes to be told all that the recorded one had been told by then.
   */
  async #pull(transcript: Transcript, subject: string, exchange: Exchange): Promise<void> {
    const handed = this.#of(transcript, exchange);
    const expected = exchange.response_json as PullBody;
    if (expected.code === Code.continue)
      for (const task of expected.data!) handed.recorded.set(task.pieceNum, task);
    const deadline = performance.now() + PATIENCE_MS;
    let answer = await this.#send(exchange);
    while (!this.#isUpToDate(handed, expected.code, this.#note(handed, answer).code)) {
      if (performance.now() > deadline) throw new Error(`${subject}: waited in vain`);
      await sleep(5);
      answer = await this.#send(exchange);
    }
    const recorded = recordedAnswer(exchange);
    const { code } = handed;
    // Who is told of other pieces, or of some sooner or later, is told in the same form.
    const comparable = code === expected.code && code !== Code.continue;
    const kind = (it: Answer) => ({ status: it.status, headers: it.headers });
    this.#ledger.enter(
      subject,
      comparable ? diff(recorded, answer) : diff(kind(recorded), kind(answer)),
    );
  }

  /** Whether our supernode has said as much as the recorded one had, which answered with `expected`. */
  #isUpToDate({ recorded, ours, givenUpBy }: Handed, expected: number, code: number): boolean {
    if (code === givenUpBy) return true;
    const waits = (it: number) => it === Code.wait || it === Code.continue;
    if (!waits(expected)) return code === expected;
    if (!waits(code)) throw new Error(`code ${code} where v1 says ${expected}`);
    return [...recorded.keys()].every((piece) => ours.has(piece));
  }

  /** Asks our supernode what the recorded one answered when it gave the client up, if it did: whether ours does, too. */
  async #givesUp(transcript: Transcript): Promise<boolean> {
    const last = transcript.exchanges.findLast(isPull);
    const handed = last && this.#of(transcript, last);
    if (handed?.givenUpBy === undefined) return false;
    return this.#note(handed, await this.#send(last!)).code === handed.givenUpBy;
  }

  /** Whether this is a question for pieces by a client that our supernode gave up sooner than v1's. */
  #isGivenUp(scenario: string, { to }: Exchange): boolean {
    return (
      to === "cdn" &&
      [...this.#handed.values()].some(
        (handed) => handed.scenario === scenario && handed.code === handed.givenUpBy,
      )
    );
  }

  /** Takes note of what a pull brought. No piece may be handed out twice. */
  #note(handed: Handed, answer: Answer): PullBody {
    const body = answer.body as PullBody;
    handed.code = body.code;
    for (const task of body.code === Code.continue ? body.data! : []) {
      expect(handed.ours.has(task.pieceNum), `piece ${task.pieceNum} is new`).toBe(false);
      handed.ours.set(task.pieceNum, task);
    }
    return body;
  }

  /**
   * The same pieces over the whole run, whatever the order; of a cut one those that were recorded, of a client that
   * was given up those that both supernodes had named by then.
   */
  #compareHanded({ scenario, recorded, ours, givenUpBy }: Handed, cut: boolean): void {
    const inOrder = (pieces: Map<number, PieceTask>) =>
      [...pieces.values()]
        .filter(({ pieceNum }) => !cut || recorded.has(pieceNum))
        .filter(
          ({ pieceNum }) =>
            givenUpBy === undefined || (ours.has(pieceNum) && recorded.has(pieceNum)),
        )
        .sort((a, b) => a.pieceNum - b.pieceNum)
        .map(({ cid, peerIp, peerPort, path, ...piece }) => ({
          ...piece,
          // Ours has a pass at the end of its own path, which v1's clients take as it is.
          server: `${cid} ${peerIp}:${peerPort} ${path.replace(PASS, "")}`,
        }));
    this.#ledger.enter(`${scenario} pieces`, diff(inOrder(recorded), inOrder(ours), "pieces"));
  }

  /** A Go dfget on host A tells the host's peer server of its file, and writes it there. */
  async #registered(scenario: string, exchange: Exchange): Promise<void> {
    if (exchange.status !== 200 || exchange.request_json === undefined) return;
    const { ip, path, rawUrl } = exchange.request_json as Record<string, string>;
    const content = rawUrl && sourceFile(rawUrl);
    if (ip !== HOST_A || !content) return;
    const name = path!.slice("/peer/file/".length);
    const { dataDir } = this.#servers.peerA;
    const file = join(dataDir, `${name}.service`);
    await writeFile(file, isHollow(content) ? "" : content);
    await truncate(file, content.length);
    const check = {
      ...exchange,
      method: "GET",
      path: `/check/${encodeURIComponent(name)}`,
      request_headers: { datadir: dataDir, totallimit: "0" },
      request_json: undefined,
    };
    const answer = await replay(check, this.#servers.peerA);
    expect(answer.status, `${scenario} announces its file`).toBe(200);
  }

  #of({ scenario, exchanges }: Transcript, exchange: Exchange): Handed {
    const cid = parameters(exchange.path).get("srcCid")!;
    let handed = this.#handed.get(cid);
    if (!handed) {
      const maps = { recorded: new Map(), ours: new Map(), reported: new Set<number>() };
      const codes = exchanges
        .filter((it) => isPull(it) && parameters(it.path).get("srcCid") === cid)
        .map((it) => (it.response_json as PullBody).code);
      const givenUpBy = codes.find((code) => !GOES_ON.has(code));
      handed = { scenario, ...maps, code: 0, givenUpBy };
      this.#handed.set(cid, handed);
    }
    return handed;
  }

  #send(exchange: Exchange): Promise<Answer> {
    const { supernode, cdn, peerA } = this.#servers;
    const server = { supernode, cdn }[exchange.to] ?? peerA;
    // Where a client looks for a piece is what the supernode said.
    const told = [...this.#handed.values()]
      .flatMap(({ ours }) => [...ours.values()])
      .findLast(({ path }) => path.replace(PASS, "") === exchange.path);
    return replay(told ? { ...exchange, path: told.path } : exchange, server);
  }
}

/** Whether a file takes no space on disk: it is long, and nothing but zeroes. */
function isHollow(content: Buffer): boolean {
  return content.length > 100_000_000 && content.every((byte) => byte === 0);
}

/** Whether a request is a registered client's question for pieces. */
function isPull({ path, response_json }: Exchange): boolean {
  if (!path.startsWith("/peer/task?")) return false;
  const { code } = response_json as PullBody;
  return code !== Code.badParameter && code !== Code.targetNotFound;
}
