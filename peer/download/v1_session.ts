import { setTimeout as sleep } from "node:timers/promises";
import { ClientStatus, Code, PieceResult } from "../../protocol/codes.ts";
import { FRAME_BYTES } from "../../protocol/piece_frame.ts";
import { pieceContent, pieceCount, wireRange } from "../../protocol/piece_range.ts";
import type { FinishedData, PieceTask } from "../../protocol/v1/pull_piece.ts";
import { BacksourceReason, PieceErrorType } from "../../protocol/v1/report.ts";
import { isWriteFailure } from "../../runtime/files.ts";
import { getLogger } from "../../runtime/logger.ts";
import { inSpan, NO_SPAN, type Span } from "../../runtime/tracing/tracing.ts";
import { contentBuffers } from "../store/content_buffers.ts";
import type { TaskFile } from "../store/task_file.ts";
import {
  type PieceOutcome,
  type PullAnswer,
  SupernodeLostError,
} from "../supernode/supernode_client.ts";
import { expectedSum, fetchPiece, PieceError } from "./fetch_piece.ts";
import { fetchSourceRange } from "./fetch_source.ts";
import { registerClient } from "./register_client.ts";
import type { Membership, SwarmOptions, SwarmOutcome } from "./swarm_types.ts";

/** Milliseconds between pulls that found nothing to do: from, to (protocol §1, code 602). */
const WAIT_MS = { first: 50, most: 800 };
/**
 * Milliseconds without any piece, and none on its way, after which p2p is given up: longer than the
 * supernode takes to give the lease of a dead node to another. Besides, somebody else may be fetching a piece from the
 * source, which takes as long as the lowest rate that is borne allows.
 */
const STALL_MS = 15_000;
/** Failed pieces in a row after which p2p is given up. */
const MAX_FAILURES = 10;
/** Pulls without an answer in a row, where the supernode's host does not refuse, after which it counts as lost. */
const MAX_SILENCES = 2;

const log = getLogger("dfclient");

/** A registered client at work as a v1 client is: pull, fetch, report (protocol §1). */
export class V1Session {
  readonly #options: SwarmOptions;
  readonly #file: TaskFile;
  #member: Membership;
  readonly #inFlight = new Map<number, Promise<void>>();
  readonly #outcomes: PieceOutcome[] = [];
  readonly #fetches = new AbortController();
  #last: Partial<PieceOutcome> & { result: PieceResult } = { result: PieceResult.invalid };
  #status: ClientStatus = ClientStatus.started;
  #wake: () => void = () => {};
  #fatal: Error | undefined;
  #failures = 0;
  #silences = 0;
  #progressMs = performance.now();
  #registrations = 1;
  /** All pieces: who gave them is said by the spans of those who did. */
  #span: Span = NO_SPAN;

  constructor(options: SwarmOptions, file: TaskFile, member: Membership) {
    this.#options = options;
    this.#file = file;
    this.#member = member;
    options.signal.addEventListener("abort", () => this.#fetches.abort(options.signal.reason), {
      once: true,
      signal: this.#fetches.signal,
    });
  }

  async run(): Promise<SwarmOutcome> {
    try {
      const about = { kind: "client", parent: this.#options.span } as const;
      return await inSpan("pieces by v1's schedule", about, (span) => {
        this.#span = span;
        return this.#loop();
      });
    } finally {
      this.#fetches.abort();
      await Promise.allSettled(this.#inFlight.values());
    }
  }

  async #loop(): Promise<SwarmOutcome> {
    this.#enter(this.#member);
    let waitMs = WAIT_MS.first;
    const stallMs = Math.round(
      STALL_MS + (this.#file.layout.pieceSize / this.#options.minRate) * 1000,
    );
    for (;;) {
      this.#options.signal.throwIfAborted();
      if (this.#fatal) throw this.#fatal;
      const answer = await this.#pull();
      if (answer.kind === "finished") return this.#finish(answer.data);
      if (answer.kind === "ended") {
        if (answer.code === Code.targetNotFound && (await this.#registerAgain())) continue;
        return this.#give(
          answer.code === Code.sourceError
            ? BacksourceReason.sourceError
            : BacksourceReason.downloadError,
          `the supernode ends the task with code ${answer.code} ${answer.message}`,
        );
      }
      if (answer.kind === "pieces") {
        waitMs = WAIT_MS.first;
        for (const piece of answer.pieces) this.#take(piece);
      }
      if (this.#failures >= MAX_FAILURES) {
        return this.#give(
          BacksourceReason.downloadError,
          `${this.#failures} pieces failed in a row`,
        );
      }
      if (this.#inFlight.size === 0 && performance.now() - this.#progressMs > stallMs) {
        return this.#give(BacksourceReason.downloadError, `no piece for ${stallMs} ms`);
      }
      if (this.#outcomes.length === 0) {
        await this.#idle(waitMs);
        waitMs = Math.min(waitMs * 2, WAIT_MS.most);
      }
    }
  }

  #give(reason: number, error: string): SwarmOutcome {
    return { finished: false, reason, error };
  }

  async #pull(): Promise<PullAnswer> {
    const outcome = this.#outcomes.shift();
    if (outcome) {
      this.#last = outcome;
      this.#status = ClientStatus.running;
    }
    const { taskId, cid, supernode } = this.#member;
    try {
      const answer = await supernode.pull(
        taskId,
        cid,
        this.#status,
        this.#last,
        this.#options.signal,
      );
      this.#silences = 0;
      return answer;
    } catch (error) {
      if (!(error instanceof SupernodeLostError)) throw error;
      log.warn("{error}", { error: error.message });
      this.#silences += 1;
      // A busy supernode must not send all its clients to the source. What this pull told it has perhaps not heard.
      if (!error.refused && this.#silences < MAX_SILENCES) {
        if (outcome) this.#outcomes.unshift(outcome);
        return { kind: "wait" };
      }
      this.#options.supernodes.lost(supernode, performance.now());
      if (await this.#registerAgain()) return { kind: "wait" };
      return { kind: "ended", code: Code.unknownError, message: error.message };
    } finally {
      // A good piece may be told again and again, as v1 does while it waits; a failure counts each time.
      if (outcome?.result === PieceResult.failed) this.#askAnew();
    }
  }

  /** Lets the next pull be one that tells of no piece. */
  #askAnew(): void {
    this.#last = { result: PieceResult.invalid };
    this.#status = ClientStatus.started;
  }

  /** After the supernode has gone, or forgotten us: go on with another, and with what is here. */
  async #registerAgain(): Promise<boolean> {
    if (this.#registrations > this.#options.supernodes.size + 1) return false;
    this.#registrations += 1;
    const registered = await registerClient(this.#options);
    if ("error" in registered) return false;
    const { data, supernode } = registered;
    const { layout } = this.#file;
    if (data.pieceSize !== layout.pieceSize || (data.cdnSource !== "source") !== layout.framed)
      return false;
    this.#askAnew();
    this.#enter({ taskId: data.taskId, cid: this.#options.identity.cid, supernode });
    return true;
  }

  /** Tells a supernode that just met us what we hold. */
  #enter(member: Membership): void {
    this.#member = member;
    this.#options.onMember(member);
    for (const piece of this.#file.held) {
      this.#outcomes.push({
        range: wireRange(piece, this.#file.layout.pieceSize),
        dstCid: member.cid,
        result: PieceResult.semiSuccess,
      });
      this.#reportSuccess(piece, member.cid);
    }
  }

  /** Resolves when a piece has come or failed, or after `ms`. */
  async #idle(ms: number): Promise<void> {
    const timer = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const signal = AbortSignal.any([timer.signal, this.#options.signal]);
    await Promise.race([woken, sleep(ms, undefined, { signal }).catch(() => {})]);
    timer.abort();
  }

  #take(task: PieceTask): void {
    const piece = task.pieceNum;
    if (this.#file.has(piece)) {
      // A supernode that did not know so sends others here from now on.
      this.#reportSuccess(piece, task.cid);
      this.#settle(task, PieceResult.semiSuccess);
      return;
    }
    if (this.#inFlight.has(piece) || this.#inFlight.size >= this.#options.maxInFlight) return;
    const work = this.#fetch(task).finally(() => this.#inFlight.delete(piece));
    this.#inFlight.set(piece, work);
  }

  async #fetch(task: PieceTask): Promise<void> {
    try {
      const fromSource = /^https?:\/\//i.test(task.path);
      const content = fromSource ? await this.#fromSource(task) : await this.#fromPeer(task);
      const origin = fromSource
        ? "registry"
        : task.cid.startsWith("cdnnode:")
          ? "supernode"
          : "peer";
      try {
        await this.#options.onPiece(task.pieceNum, content, origin);
      } finally {
        contentBuffers.give(content);
      }
      log.debug("piece {piece}: {bytes} bytes from {origin} {cid}", {
        piece: task.pieceNum,
        bytes: content.byteLength,
        origin,
        cid: task.cid,
      });
      this.#failures = 0;
      this.#progressMs = performance.now();
      this.#options.onAlive();
      this.#reportSuccess(task.pieceNum, task.cid);
      this.#settle(task, PieceResult.semiSuccess);
    } catch (error) {
      if (this.#fetches.signal.aborted) return;
      if (isWriteFailure(error)) {
        this.#fatal = error as Error;
        this.#wake();
        return;
      }
      this.#failures += 1;
      log.info("piece {piece}: {error}", { piece: task.pieceNum, error: (error as Error).message });
      if (error instanceof PieceError) this.#complain(task, error);
      this.#settle(task, PieceResult.failed);
    }
  }

  #fromPeer(task: PieceTask): Promise<Uint8Array> {
    const { http, limiters, minRate } = this.#options;
    return fetchPiece(task, {
      http,
      limiters,
      minRate,
      layout: this.#file.layout,
      signal: this.#fetches.signal,
      span: this.#span,
    });
  }

  /**
   * The supernode sends us to the source for this piece. Whatever URL it names, we ask our own: our
   * credentials are for that one only.
   */
  #fromSource(task: PieceTask): Promise<Uint8Array> {
    const { http, limiters, source, onAlive: onBytes } = this.#options;
    const { offset, length } = pieceContent(task.pieceNum, this.#file.layout);
    const range = { start: offset, end: offset + length - 1 };
    const { signal } = this.#fetches;
    return fetchSourceRange(source, range, { http, limiters, signal, onBytes });
  }

  #settle(task: PieceTask, result: PieceResult): void {
    this.#outcomes.push({
      range: wireRange(task.pieceNum, this.#file.layout.pieceSize),
      dstCid: task.cid,
      result,
    });
    this.#wake();
  }

  #reportSuccess(piece: number, dstCid: string): void {
    const { taskId, cid, supernode } = this.#member;
    const range = wireRange(piece, this.#file.layout.pieceSize);
    // The next pull says the same; v1's supernode counts us as a holder only by this one.
    supernode.reportPiece(taskId, cid, dstCid, range).catch(() => {});
  }

  #complain(task: PieceTask, error: PieceError): void {
    if (error.failure === "unreachable" || error.failure === "broken") return;
    const { taskId, cid, supernode } = this.#member;
    supernode
      .reportPieceError({
        taskId,
        srcCid: cid,
        dstCid: task.cid,
        dstIp: task.peerIp,
        range: wireRange(task.pieceNum, this.#file.layout.pieceSize),
        realMd5: error.realHex,
        expectedMd5: expectedSum(task)?.hex ?? "",
        errorType:
          error.failure === "missing" ? PieceErrorType.fileNotExist : PieceErrorType.md5NotMatch,
      })
      .catch(() => {});
  }

  /** The supernode says that we have it all; a file of unknown length has one now. */
  #finish(data: FinishedData): SwarmOutcome {
    const file = this.#file;
    if (file.layout.length < 0) {
      const { pieceSize } = file.layout;
      const count = Math.max(1, Math.ceil(data.fileLength / pieceSize));
      file.setLength(Math.max(0, data.fileLength - count * FRAME_BYTES));
    }
    if (file.complete) return { finished: true };
    const missing = pieceCount(file.layout) - file.held.size;
    return this.#give(
      BacksourceReason.downloadError,
      `the supernode says finished, but ${missing} pieces are not here`,
    );
  }
}
