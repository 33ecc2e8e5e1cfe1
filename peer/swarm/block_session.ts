import type { PieceLayout } from "../../protocol/piece_range.ts";
import { blockCount, blockLength } from "../../protocol/swarm/blocks.ts";
import type { HaveMessage } from "../../protocol/swarm/have_stream.ts";
import type {
  JoinAnswer,
  Neighbour,
  TaskAdvice,
  TaskReport,
} from "../../protocol/swarm/messages.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { Origin } from "../contract.ts";
import {
  type Membership,
  pieceLayout,
  type SwarmOptions,
  type SwarmOutcome,
} from "../download/swarm_types.ts";
import { sha256 } from "../store/sha256.ts";
import type { TaskFile } from "../store/task_file.ts";
import { BlockProofs } from "./block_proofs.ts";
import { BlockRequests } from "./block_requests.ts";
import { BlockWrites } from "./block_writes.ts";
import { BlockChooser } from "./choose_blocks.ts";
import { DigestTelling } from "./digest_telling.ts";
import type { Reporter } from "./heartbeats.ts";
import type { KnownDigests } from "./known_digests.ts";
import { MAX_NEIGHBOURS, Neighbours } from "./neighbours.ts";
import { type Rejoined, Rejoining } from "./rejoining.ts";
import { SessionReport } from "./session_report.ts";
import { SourceRunner } from "./source_runner.ts";
import { Stall } from "./stall.ts";
import type { SwarmSessions } from "./swarm_sessions.ts";

/** A block from the source should be sealed soon: only then neighbours hand it on, ms. */
const SEAL_MS = 150;
/** Whom this node has dropped may be telling the supernode itself that it has gone, ms. */
const PARTED_MS = 100;
/** Milliseconds between looks at what is overdue, silent or stalled. */
const TICK_MS = 100;
/** Whoever owes blocks for so long while none comes from anybody, ms, is left, and the supernode asked who else has them. */
const OWED_MS = 9000;
/** Nothing has come from anywhere for so long, by this process's own listening, ms: who is asked may be held to his word. */
const QUIET_MS = 250;
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
  readonly #neighbours: Neighbours;
  readonly #rejoining: Rejoining;
  readonly #requests: BlockRequests;
  readonly #proofs: BlockProofs;
  readonly #writes = new BlockWrites((error) => this.#fail(error));
  readonly #stall = new Stall(performance.now());
  readonly #telling: DigestTelling;
  readonly #report: SessionReport;
  readonly #fetching = new AbortController();
  #member: Membership;
  /** How v1 clients of this task see the file. */
  #pieces: PieceLayout;
  /** Whether the supernode is not heard. */
  #unheard = false;
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
    this.#outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    const blocks = blockCount(file.layout.length);
    const { awaited } = options;
    this.#chooser = new BlockChooser({
      ...{ blocks, slots: MAX_NEIGHBOURS, random: Math.random },
      awaited: () => awaited.choose(Math.random()),
    });
    for (const block of file.held) this.#chooser.hold(block);
    awaited.onBegin = (block) => {
      if (this.#chooser.isStarved(block)) this.#sessions.heartbeats.hurry(this);
    };
    this.#neighbours = new Neighbours({
      swarm: options,
      fileLength: file.layout.length,
      chooser: this.#chooser,
      onMessage: (slot, message) => this.#hear(slot, message),
      onForgotten: (slot) => this.#requests.cutOff(slot),
      onDropped: () => this.#parted(),
    });
    this.#rejoining = new Rejoining({
      swarm: options,
      file,
      fetching: () => this.#runner.fetching,
      isDownloading: () => !this.#fetching.signal.aborted,
      onRejoined: (registered) => this.#rejoined(registered),
      onGivenUp: () => this.leave(),
    });
    this.#proofs = new BlockProofs(blocks, {
      file,
      fileName: options.fileName,
      standing: (id) => this.#neighbours.standing(id),
      ask: (asked) => {
        const { supernode, taskId } = this.#member;
        return supernode.digests({ taskId, cid: this.cid, blocks: asked });
      },
      onConfirmed: (block) => {
        const bytes = blockLength(block, file.layout.length);
        options.onConfirmed(block, bytes, "peer");
        this.#gained(bytes);
      },
      onLost: (block) => options.onLost(block),
      onUseless: (block, lacking) => {
        const sender = lacking === undefined ? undefined : this.#neighbours.find(lacking);
        if (sender) this.#chooser.neighbourLacks(sender.slot, block);
        this.#chooser.lose(block);
        this.#requests.pump();
      },
      onRedeemed: (id, block) => {
        const sender = this.#neighbours.find(id);
        if (sender) this.#chooser.neighbourHas(sender.slot, block);
      },
      onWrong: (id, block) => this.#accuse(id, block),
      onStanding: (id) => this.#judge(id),
    });
    this.#requests = new BlockRequests({
      ...{ swarm: options, file, chooser: this.#chooser, neighbours: this.#neighbours },
      ...{ proofs: this.#proofs, signal: this.#fetching.signal },
      onBlock: (block, content, digest, from) => this.#keep(block, content, digest, from),
      onWrong: (id, block) => this.#accuse(id, block),
      onStanding: (id) => this.#judge(id),
    });
    this.#telling = new DigestTelling(file, () => this.#sessions.heartbeats.hurry(this));
    this.#runner = new SourceRunner({
      source: options.source,
      fileLength: file.layout.length,
      pieceSize: pieces.pieceSize,
      http: options.http,
      limiters: options.limiters,
      bodies: options.bodies,
      signal: this.#fetching.signal,
      holds: (block) => file.has(block),
      isSealed: (block) => this.digests.knows(block),
      span: options.span,
      onReserve: (block, reserved) => {
        if (reserved) this.#chooser.reserve(block);
        else this.#chooser.unreserve(block);
        this.#requests.pump();
      },
      onComing: (block, come) => {
        this.#alive();
        options.onComing(block, come);
      },
      onBlock: (block, content, origin) => this.#keepOwn(block, content, origin),
      onNews: () => this.#sessions.heartbeats.hurry(this),
    });
    this.#report = new SessionReport({
      ...{ file, chooser: this.#chooser, neighbours: this.#neighbours },
      ...{ runner: this.#runner, telling: this.#telling, awaited },
    });
    this.#enter(answer);
  }

  /** What is known of what the file's blocks hash to. */
  get digests(): KnownDigests {
    return this.#proofs.digests;
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
      this.#requests.pump();
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
      // The file is whole before its last lease is where neighbours were faster.
      this.#runner.finishHeld();
      this.#neighbours.forgetAll();
    }
  }

  /** A neighbour that the supernode named, or that has found us. */
  meet(neighbour: Neighbour): void {
    if (!this.#fetching.signal.aborted) this.#neighbours.meet(neighbour);
  }

  /** The file is served no longer: the supernode need not hear of us any more. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#fetching.abort();
    this.#sessions.heartbeats.remove(this);
    this.#rejoining.stop();
  }

  report(): TaskReport {
    return this.#report.take(this.taskId, this.cid, this.#pieces, performance.now());
  }

  advise(advice: TaskAdvice): void {
    if (!advice.known) {
      this.#rejoining.soon();
      return;
    }
    if (advice.coming) this.#alive();
    for (const neighbour of advice.neighbours) this.#told(neighbour);
    for (const seal of advice.seals) this.#proofs.learn(seal);
    // The same leases come by other numbers when it registers again: those that are worked on are not begun anew.
    if (!this.#rejoining.isAsking) this.#runner.grant(advice.leases);
    this.#telling.ask(advice.tell);
    this.#requests.pump();
  }

  unheard(error: Error): void {
    log.info("{name}: {error}", { name: this.#options.identity.path, error: error.message });
    this.#options.supernodes.lost(this.#member.supernode, performance.now());
    this.#unheard = true;
    this.#rejoining.soon();
  }

  #told(neighbour: Neighbour): void {
    if (!this.#fetching.signal.aborted) this.#neighbours.told(neighbour);
  }

  #enter(answer: JoinAnswer): void {
    this.#unheard = false;
    this.#options.onMember(this.#member);
    this.digests.trust(answer.sealKey);
    this.#sessions.heartbeats.add(this.#member.supernode, this, answer.heartbeatMs);
    for (const neighbour of answer.neighbours) this.#told(neighbour);
    this.#runner.grantAfresh(answer.leases);
    this.#telling.ask(answer.tell);
  }

  #hear(slot: number, message: HaveMessage): void {
    if (message.seal) {
      this.#proofs.learn(message.seal);
      return;
    }
    if (message.bitmap) this.#chooser.neighbourHolds(slot, message.bitmap);
    for (const block of message.have) this.#chooser.neighbourHas(slot, block);
    const nowMs = performance.now();
    this.#chooser.neighbourLoad(slot, message.load, nowMs);
    this.#neighbours.at(slot)?.debt.spoke(message.load, nowMs);
    this.#requests.pumpSoon();
  }

  /** A neighbour was dropped: the supernode has to say where the blocks are that it alone had. */
  #parted(): void {
    this.#requests.pump();
    const alone = this.#neighbours.size === 0;
    if (alone || this.#chooser.starved(1).length > 0)
      this.#sessions.heartbeats.hurry(this, PARTED_MS);
  }

  /** A block that a neighbour has sent. */
  async #keep(block: number, content: Uint8Array, digest: Uint8Array, from: string): Promise<void> {
    this.#chooser.hold(block);
    const isProven = this.#proofs.needsNoSeal(block);
    this.#proofs.received(block, digest, isProven ? undefined : from);
    this.#judge(from);
    const { onPiece, onStaged } = this.#options;
    await this.#writes.write(block, content, () =>
      isProven ? onPiece(block, content, "peer", digest) : onStaged(block, content, digest),
    );
    if (isProven) this.#gained(content.byteLength);
    else this.#proofs.stage(block, digest, from);
  }

  /** A block that this node has fetched from the source itself. */
  async #keepOwn(block: number, content: Uint8Array, origin: Origin): Promise<Uint8Array> {
    const digest = await sha256(content);
    const held = this.#file.has(block);
    this.#proofs.fetched(block, digest);
    // Before it is written: what neighbours send of it from now on must not be written over it.
    this.#chooser.hold(block);
    this.#requests.needNot(block);
    const { onPiece } = this.#options;
    await this.#writes.write(block, content, () => onPiece(block, content, origin, digest));
    this.#gained(held ? 0 : content.byteLength);
    if (this.digests.knows(block)) this.#proofs.compare(block);
    else if (this.#neighbours.size > 0) this.#sessions.heartbeats.hurry(this, SEAL_MS);
    return digest;
  }

  /** A node has sent a wrong block: the supernode is to know. */
  #accuse(id: string, block: number): void {
    this.#report.wrong(block, id);
    const sender = this.#neighbours.find(id);
    if (sender) this.#chooser.neighbourLacks(sender.slot, block);
    if (!this.#neighbours.standing(id).isLiar) return;
    this.#proofs.giveUpFrom(id);
    this.#sessions.heartbeats.hurry(this);
  }

  /** A node's standing has changed: more may be asked of it, or less, or nothing any more. */
  #judge(id: string): void {
    this.#neighbours.judge(id);
    this.#requests.pump();
  }

  #gained(bytes: number): void {
    this.#report.rates.gained(bytes);
    this.#alive();
    if (this.#file.complete) {
      this.#sessions.heartbeats.hurry(this);
      this.#settle({ finished: true });
    }
  }

  /** The download comes on, though perhaps slowly: the source may be slow for everybody. */
  #alive(): void {
    this.#stall.end();
    this.#options.onAlive();
  }

  #tick(): void {
    if (this.#fetching.signal.aborted) return;
    const nowMs = performance.now();
    const alone = this.#unheard;
    if (this.#stall.look(nowMs, alone)) this.#neighbours.dropSilent(nowMs);
    if (!alone && this.#stall.ms > OWED_MS) this.#leaveOwing(nowMs);
    if (!alone && !this.#runner.busy && this.#stall.ms > QUIET_MS) this.#doubtOverdue();
    this.#proofs.lookAfter(nowMs, alone);
    const isForsaken = this.#runner.isUnfit && this.#neighbours.size === 0 && !alone;
    const error = this.#stall.whyGiveUp(isForsaken);
    if (error !== undefined)
      this.#settle({ finished: false, reason: BacksourceReason.downloadError, error });
    this.#rejoining.tick(nowMs);
    this.#requests.pump();
  }

  /** Neighbours who say that they have time send nothing: others may have to fetch what they alone have. */
  #doubtOverdue(): void {
    if (this.#neighbours.doubtOverdue()) this.#sessions.heartbeats.hurry(this);
  }

  /** Leaves those who were asked for blocks long ago. */
  #leaveOwing(nowMs: number): void {
    for (const slot of this.#requests.owing(OWED_MS, nowMs))
      this.#neighbours.dropSlow(slot, `no block of it for ${OWED_MS} ms`);
  }

  #rejoined({ data, supernode }: Rejoined): void {
    this.#sessions.heartbeats.remove(this);
    this.#member = { taskId: data.taskId, cid: this.cid, supernode };
    this.#pieces = pieceLayout(data, this.#file.layout.length);
    if (data.swarm) this.#enter(data.swarm);
    else if (this.#file.complete) this.leave();
    else {
      // It schedules this file as v1 does, with whom a file in blocks cannot take part.
      const error = "the supernode has no swarm for it";
      this.#settle({ finished: false, reason: BacksourceReason.downloadError, error });
    }
  }
}
