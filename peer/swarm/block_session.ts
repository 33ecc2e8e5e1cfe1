import type { PieceLayout } from "../../protocol/piece_range.ts";
import { blockCount, blockLength } from "../../protocol/swarm/blocks.ts";
import type { HaveMessage } from "../../protocol/swarm/have_stream.ts";
import {
  type JoinAnswer,
  MAX_STARVED,
  type Neighbour,
  type TaskAdvice,
  type TaskReport,
} from "../../protocol/swarm/messages.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { isWriteFailure } from "../../runtime/files.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { Origin } from "../contract.ts";
import { fetchPiece } from "../download/fetch_piece.ts";
import { registerClient } from "../download/register_client.ts";
import {
  type Membership,
  pieceLayout,
  type SwarmOptions,
  type SwarmOutcome,
} from "../download/swarm_types.ts";
import { blockBuffers } from "../store/block_buffers.ts";
import type { TaskFile } from "../store/task_file.ts";
import { BlockChooser } from "./choose_blocks.ts";
import type { Reporter } from "./heartbeats.ts";
import { NeighbourLink, SILENCE_MS } from "./neighbour_link.ts";
import { piecesHeld } from "./pieces_held.ts";
import { SourceRunner } from "./source_runner.ts";
import type { SwarmSessions } from "./swarm_sessions.ts";

/** Neighbours at most. */
const MAX_NEIGHBOURS = 48;
/** Failed requests in a row after which a neighbour is dropped. */
const MAX_FAILURES = 3;
/** Milliseconds between looks at what is overdue, silent or stalled. */
const TICK_MS = 100;
/** Milliseconds between two looks after which this process was too busy to have heard everybody. */
const DEAF_MS = 300;
/** Milliseconds without a block after which p2p is given up. */
const STALL_MS = 15_000;
/** … while there is no supernode: nobody says then what to fetch from the source. */
const STALL_ALONE_MS = 2000;
/** Milliseconds between attempts to find a supernode again. */
const REJOIN_MS = 2000;

const log = getLogger("dfclient");

/**
 * One download in our own swarm: what neighbours hold is heard from themselves, which block comes from
 * whom is chosen here, and the supernode hears how it goes every second or two and says what to fetch
 * from the source. Goes on serving, and reporting, after the download is done, until
 * {@link BlockSession.leave}.
 */
export class BlockSession implements Reporter {
  readonly #options: SwarmOptions;
  readonly #sessions: SwarmSessions;
  readonly #file: TaskFile;
  readonly #chooser: BlockChooser;
  readonly #runner: SourceRunner;
  readonly #links = new Map<number, NeighbourLink>();
  readonly #known = new Set<string>();
  readonly #requests = new Map<string, AbortController>();
  readonly #dropped: string[] = [];
  readonly #fetching = new AbortController();
  #member: Membership;
  /** How v1 clients of this task see the file. */
  #pieces: PieceLayout;
  #heartbeatMs: number;
  #bytesSince = 0;
  #reportedMs = performance.now();
  #tickMs = performance.now();
  #progressMs = performance.now();
  #rejoinMs = Number.POSITIVE_INFINITY;
  #rejoining = false;
  #pumpsSoon = false;
  #left = false;
  #settle!: (outcome: SwarmOutcome) => void;
  #fail!: (error: Error) => void;
  readonly #outcome: Promise<SwarmOutcome>;

  constructor(
    options: SwarmOptions,
    sessions: SwarmSessions,
    file: TaskFile,
    member: Membership,
    pieces: PieceLayout,
    answer: JoinAnswer,
  ) {
    this.#options = options;
    this.#sessions = sessions;
    this.#file = file;
    this.#member = member;
    this.#pieces = pieces;
    this.#heartbeatMs = answer.heartbeatMs;
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    const blocks = blockCount(file.layout.length);
    this.#chooser = new BlockChooser({ blocks, slots: MAX_NEIGHBOURS, random: Math.random });
    for (const block of file.held) this.#chooser.hold(block);
    this.#runner = new SourceRunner({
      source: options.source,
      fileLength: file.layout.length,
      pieceSize: pieces.pieceSize,
      http: options.http,
      limiters: options.limiters,
      signal: this.#fetching.signal,
      onReserve: (block, reserved) => {
        if (reserved) this.#chooser.reserve(block);
        else this.#chooser.unreserve(block);
        this.#pump();
      },
      onBlock: (block, content, origin) => this.#keep(block, content, origin),
      onNews: () => this.#sessions.heartbeats.hurry(this),
    });
    this.#enter(answer);
  }

  get taskId(): string {
    return this.#member.taskId;
  }

  get cid(): string {
    return this.#member.cid;
  }

  /** Downloads until all blocks are here, or p2p has to be given up. */
  async run(): Promise<SwarmOutcome> {
    const { signal } = this.#options;
    const onAbort = () => this.#fail(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setInterval(() => {
      // A turn later: what neighbours have said meanwhile is heard first.
      setImmediate(() => this.#tick());
    }, TICK_MS);
    try {
      signal.throwIfAborted();
      // All of it may lie here from an earlier run: then there is only something to give.
      if (this.#file.complete) this.#settle({ finished: true });
      this.#pump();
      const outcome = await this.#outcome;
      if (!outcome.finished) this.leave();
      return outcome;
    } catch (error) {
      this.leave();
      throw error;
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", onAbort);
      this.#fetching.abort();
      for (const [slot, link] of this.#links) this.#forget(slot, link);
      this.#links.clear();
    }
  }

  /** A neighbour that the supernode named, or that has found us. */
  meet(neighbour: Neighbour): void {
    if (this.#fetching.signal.aborted || this.#known.has(neighbour.id)) return;
    if (neighbour.id === this.cid) return;
    const slot = this.#chooser.addNeighbour(neighbour.near, performance.now());
    if (slot < 0) return;
    this.#known.add(neighbour.id);
    const { ip, port, path, cid } = this.#options.identity;
    const link = new NeighbourLink({
      http: this.#options.http,
      neighbour,
      self: { id: cid, ip, port, path },
      blocks: blockCount(this.#file.layout.length),
      onMessage: (message) => this.#hear(slot, message),
      onEnd: (reason) => this.#drop(slot, reason),
    });
    this.#links.set(slot, link);
  }

  /** The file is served no longer: the supernode need not hear of us any more. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#fetching.abort();
    this.#sessions.heartbeats.remove(this);
  }

  report(): TaskReport {
    const nowMs = performance.now();
    const seconds = Math.max(0.001, (nowMs - this.#reportedMs) / 1000);
    const report: TaskReport = {
      taskId: this.taskId,
      cid: this.cid,
      held: this.#file.held.size,
      downRate: Math.round(this.#bytesSince / seconds),
      upRate: 0,
      leases: this.#runner.report(),
      wantsLeases: this.#chooser.missing > 0 ? this.#runner.wants : 0,
      starved: this.#chooser.starved(MAX_STARVED),
      dropped: this.#dropped.splice(0),
      neighbours: this.#links.size,
      pieces: this.#somePieces(),
      leaving: false,
    };
    this.#bytesSince = 0;
    this.#reportedMs = nowMs;
    return report;
  }

  /** Absent where all are here, or none: then the number of blocks says it. */
  #somePieces(): string | undefined {
    if (this.#file.complete || this.#file.held.size === 0) return undefined;
    return piecesHeld(this.#file, this.#pieces).toBase64();
  }

  advise(advice: TaskAdvice): void {
    if (!advice.known) {
      if (!this.#file.complete) this.#rejoinMs = performance.now();
      else this.leave();
      return;
    }
    if (advice.seeding) this.#progressMs = performance.now();
    for (const neighbour of advice.neighbours) this.meet(neighbour);
    this.#runner.grant(advice.leases);
    this.#pump();
  }

  unheard(error: Error): void {
    log.info("{name}: {error}", { name: this.#options.identity.path, error: error.message });
    this.#options.supernodes.lost(this.#member.supernode, Date.now());
    if (this.#file.complete) this.leave();
    else this.#rejoinMs = performance.now();
  }

  #enter(answer: JoinAnswer): void {
    this.#options.onMember(this.#member);
    this.#heartbeatMs = answer.heartbeatMs;
    this.#sessions.heartbeats.add(this.#member.supernode, this, this.#heartbeatMs);
    for (const neighbour of answer.neighbours) this.meet(neighbour);
    this.#runner.grant(answer.leases);
  }

  #hear(slot: number, message: HaveMessage): void {
    if (message.bitmap) this.#chooser.neighbourHolds(slot, message.bitmap);
    for (const block of message.have) this.#chooser.neighbourHas(slot, block);
    this.#chooser.neighbourLoad(slot, message.load, performance.now());
    // Several neighbours may have spoken at once.
    if (this.#pumpsSoon) return;
    this.#pumpsSoon = true;
    setImmediate(() => {
      this.#pumpsSoon = false;
      this.#pump();
    });
  }

  #drop(slot: number, reason: string): void {
    const link = this.#links.get(slot);
    if (!link) return;
    this.#links.delete(slot);
    log.debug("neighbour {id} is dropped: {reason}", { id: link.neighbour.id, reason });
    this.#dropped.push(link.neighbour.id);
    this.#forget(slot, link);
    this.#pump();
  }

  #forget(slot: number, link: NeighbourLink): void {
    link.close();
    this.#known.delete(link.neighbour.id);
    this.#chooser.removeNeighbour(slot);
    for (const [key, request] of this.#requests) {
      if (key.startsWith(`${slot} `)) request.abort();
    }
  }

  /** Asks for all that may be asked for now. */
  #pump(): void {
    if (this.#fetching.signal.aborted) return;
    const nowMs = performance.now();
    while (this.#chooser.next(nowMs)) this.#request(this.#chooser.slot, this.#chooser.block);
    while (this.#chooser.again(nowMs)) this.#request(this.#chooser.slot, this.#chooser.block);
  }

  #request(slot: number, block: number): void {
    const link = this.#links.get(slot);
    if (!link) {
      this.#chooser.failed(slot, block);
      return;
    }
    const key = `${slot} ${block}`;
    const abort = new AbortController();
    this.#requests.set(key, abort);
    this.#fetch(link, slot, block, abort.signal)
      .catch((error: Error) => {
        if (this.#links.get(slot) !== link) return;
        this.#chooser.failed(slot, block);
        if (abort.signal.aborted) return;
        link.failures += 1;
        if (link.failures >= MAX_FAILURES) this.#drop(slot, error.message);
      })
      .finally(() => {
        if (this.#requests.get(key) === abort) this.#requests.delete(key);
        this.#pump();
      });
  }

  async #fetch(
    link: NeighbourLink,
    slot: number,
    block: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { http, limiters, minRate } = this.#options;
    const { ip, port, path, id } = link.neighbour;
    const { layout } = this.#file;
    const task = {
      pieceNum: block,
      pieceSize: layout.pieceSize,
      range: "",
      pieceMd5: "",
      cid: id,
      peerIp: ip,
      peerPort: port,
      path,
      downLink: 0,
    };
    const content = await fetchPiece(task, { http, limiters, minRate, layout, signal });
    if (content.byteLength !== blockLength(block, layout.length)) throw new Error("a short block");
    link.failures = 0;
    const isNews = !this.#file.has(block);
    const other =
      this.#links.get(slot) === link ? this.#chooser.arrived(slot, block, performance.now()) : -1;
    // Whoever was asked for it, too, need not send it any more.
    if (other >= 0) this.#requests.get(`${other} ${block}`)?.abort();
    if (isNews) await this.#keep(block, content, "peer");
    else blockBuffers.give(content);
  }

  async #keep(block: number, content: Uint8Array, origin: Origin): Promise<void> {
    try {
      await this.#options.onPiece(block, content, origin);
    } catch (error) {
      // No other node's bytes would find room here either.
      if (isWriteFailure(error)) this.#fail(error as Error);
      throw error;
    } finally {
      blockBuffers.give(content);
    }
    this.#chooser.hold(block);
    this.#bytesSince += content.byteLength;
    this.#progressMs = performance.now();
    if (this.#file.complete) {
      this.#sessions.heartbeats.hurry(this);
      this.#settle({ finished: true });
    }
  }

  #tick(): void {
    if (this.#fetching.signal.aborted) return;
    const nowMs = performance.now();
    // Where this process was too busy to listen the silence is ours.
    const deaf = nowMs - this.#tickMs > DEAF_MS;
    this.#tickMs = nowMs;
    while (!deaf) {
      const slot = this.#chooser.silent(SILENCE_MS, nowMs);
      if (slot < 0) break;
      if (this.#links.has(slot)) this.#drop(slot, "it is silent");
      else this.#chooser.removeNeighbour(slot);
    }
    const alone = Number.isFinite(this.#rejoinMs);
    const patienceMs = alone ? STALL_ALONE_MS : STALL_MS;
    if (nowMs - this.#progressMs > patienceMs) {
      const error = alone
        ? `no supernode, and no block for ${patienceMs} ms`
        : `no block for ${patienceMs} ms`;
      this.#settle({ finished: false, reason: BacksourceReason.downloadError, error });
    }
    if (nowMs >= this.#rejoinMs && !this.#rejoining) {
      this.#rejoining = true;
      // It never rejects.
      void this.#rejoin().finally(() => {
        this.#rejoining = false;
      });
    }
    this.#pump();
  }

  /** After the supernode has gone, or forgotten us: neighbours go on meanwhile. */
  async #rejoin(): Promise<void> {
    this.#rejoinMs = performance.now() + REJOIN_MS;
    const registered = await registerClient(this.#options, this.#file.held.size).catch(
      () => undefined,
    );
    if (!registered || "error" in registered || this.#fetching.signal.aborted) return;
    const { data, supernode } = registered;
    this.#sessions.heartbeats.remove(this);
    this.#member = { taskId: data.taskId, cid: this.cid, supernode };
    this.#rejoinMs = Number.POSITIVE_INFINITY;
    this.#pieces = pieceLayout(data, this.#file.layout.length);
    if (data.swarm) this.#enter(data.swarm);
    else {
      // It schedules this file as v1 does, with whom a file in blocks cannot take part.
      const error = "the supernode has no swarm for it";
      this.#settle({ finished: false, reason: BacksourceReason.downloadError, error });
    }
  }
}
