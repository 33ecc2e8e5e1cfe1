import { formatDigest } from "../../protocol/digest.ts";
import type { PieceLayout } from "../../protocol/piece_range.ts";
import { pieceSize } from "../../protocol/piece_size.ts";
import { blockBytes } from "../../protocol/swarm/blocks.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { isDiskFull } from "../../runtime/files.ts";
import { getLogger } from "../../runtime/logger.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { inSpan, type Span, startSpan } from "../../runtime/tracing/tracing.ts";
import {
  byOrigin,
  DownloadError,
  type DownloadSummary,
  type HashedStart,
  NeedAuthError,
  type Origin,
  WrongDigestError,
} from "../contract.ts";
import type { TaskFile } from "../store/task_file.ts";
import { AwaitedBlocks } from "./awaited_blocks.ts";
import { fetchAllFromSource } from "./back_to_source.ts";
import { createFile } from "./create_file.ts";
import type { DownloadPlan, DownloadTools } from "./download_plan.ts";
import { EarlyBytes } from "./early_bytes.ts";
import { MIN_RATE } from "./fetch_piece.ts";
import { joinSwarm } from "./join_swarm.ts";
import { atLowestRate, TooSlowError } from "./lowest_rate.ts";
import { CLIENT_QUEUE, type Membership, type SwarmOutcome } from "./swarm_types.ts";
import { WholeFileCheck } from "./whole_file_check.ts";

/** Added to the reason where the user forbids the source that it calls for, as v1 does. */
const SOURCE_FORBIDDEN = 1000;

const log = getLogger("dfclient");

/**
 * One download's life: join the swarm, bring the pieces, fall back to the source, verify. Readers
 * follow it by {@link Download.changed}.
 */
export class Download {
  readonly plan: DownloadPlan;
  readonly done: Promise<DownloadSummary>;
  /** Pieces that turned out wrong after readers could have them, in the order of their finding. */
  readonly lost: number[] = [];
  /** What readers may have before their first block is whole. */
  readonly early = new EarlyBytes();
  /** What readers wait for. */
  readonly awaited = new AwaitedBlocks();
  readonly bytes: Record<Origin, number> = { peer: 0, supernode: 0, registry: 0, cache: 0 };
  /** How the supernode knows this download, once it does. */
  membership: Membership | undefined;
  /** Told when the supernode knows this download, or another supernode does. */
  onMember: (membership: Membership) => void = () => {};
  /** Told when the source must help. */
  onBackToSource: () => void = () => {};
  state: "running" | "complete" | "failed" = "running";
  error: Error | undefined;
  reason: number = BacksourceReason.none;
  /** Whether any byte has been given to a reader: from then on a wrong piece cannot be taken back. */
  handedOut = false;
  readonly #tools: DownloadTools;
  readonly #span: Span;
  readonly #abort = new AbortController();
  readonly #opened: Promise<TaskFile>;
  #openedWith!: (file: TaskFile) => void;
  #neverOpened!: (error: Error) => void;
  #file: TaskFile | undefined;
  readonly #check: WholeFileCheck;
  #aliveMs = performance.now();
  #whyNoSwarm = "no supernode is configured";
  #changed = nextEvent();

  /** @param resumed what an earlier download left of the same file */
  constructor(plan: DownloadPlan, tools: DownloadTools, resumed?: TaskFile) {
    this.plan = plan;
    this.#tools = tools;
    this.#check = new WholeFileCheck({ ...plan, besideFrom: tools.hashesBesideFrom });
    const { from = 0, length = 0 } = plan;
    if (from > 0 && from < length) this.awaited.expect(Math.floor(from / blockBytes(length)));
    this.#span = startSpan("download", {
      parent: tools.span,
      attributes: {
        "url.full": redactUrl(plan.taskUrl),
        "dragonfly.task": plan.taskId,
        "dragonfly.digest": plan.digest && formatDigest(plan.digest),
      },
    });
    this.#file = resumed;
    this.#opened = new Promise((resolve, reject) => {
      this.#openedWith = resolve;
      this.#neverOpened = reject;
    });
    this.#opened.catch(() => {});
    this.done = this.#run();
    this.done.catch(() => {});
  }

  /** The file, as soon as its layout is known; rejects when the download fails before that. */
  get file(): Promise<TaskFile> {
    return this.#opened;
  }

  get verifies(): boolean {
    return this.#check.isPossible;
  }

  /** See {@link OpenFile.hashedStart}. */
  async hashedStart(): Promise<HashedStart | undefined> {
    return this.#file && this.#check.start(this.#file);
  }

  /** Gives up; what is here stays. */
  abort(reason: string): void {
    this.#abort.abort(new DownloadError(reason));
  }

  /** Resolves when something has changed: a piece came, or the download ended. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** How long there has been no sign that bytes come, ms. */
  get quietMs(): number {
    return performance.now() - this.#aliveMs;
  }

  #alive(): void {
    this.#aliveMs = performance.now();
  }

  async #run(): Promise<DownloadSummary> {
    const startedMs = performance.now();
    try {
      await this.#bring();
      // Before the digests, so that a change after them is seen.
      await this.#file?.seal();
      await inSpan("verify", { parent: this.#span }, () => this.#verify());
      this.state = "complete";
      const file = this.#file!;
      file.annotate({ verified: true });
      await file.saveIndex().catch(() => {});
      return {
        length: file.layout.length,
        reason: this.reason,
        seconds: (performance.now() - startedMs) / 1000,
        bytes: this.bytes,
      };
    } catch (error) {
      this.state = "failed";
      this.error = this.#abort.signal.aborted
        ? (this.#abort.signal.reason as Error)
        : (error as Error);
      if (isDiskFull(error)) this.reason = BacksourceReason.noSpace;
      this.#neverOpened(this.error);
      throw this.error;
    } finally {
      this.#check.close();
      this.#span.set({ "dragonfly.backsource_reason": this.reason, ...byOrigin(this.bytes) });
      this.#span.end(this.error);
      this.#notify();
    }
  }

  async #bring(): Promise<void> {
    if (this.plan.sourceOnly) this.reason = BacksourceReason.userSpecified;
    else if (await this.#bySwarm()) return;
    const { backToSource } = this.plan;
    if (backToSource === "never") {
      this.reason += SOURCE_FORBIDDEN;
      throw new DownloadError(`download fail and not back source: ${this.reason}`);
    }
    if (backToSource === "joined" && !this.#file) throw new DownloadError(this.#whyNoSwarm);
    log.info("{name}: to the source, reason {reason}", {
      name: this.plan.name,
      reason: this.reason,
    });
    this.onBackToSource();
    await this.#bySource();
  }

  /** Brings the file by p2p; `false`, with {@link reason} set, when the source must help. */
  async #bySwarm(): Promise<boolean> {
    const outcome = await this.#inTime((signal, onLength) => this.#swarm(signal, onLength)).catch(
      (error: Error): SwarmOutcome => {
        if (!(error instanceof TooSlowError)) throw error;
        return {
          finished: false,
          reason: BacksourceReason.downloadError,
          error: `p2p is ${error.message}`,
        };
      },
    );
    if (outcome.finished) return true;
    this.reason = outcome.reason;
    if (outcome.needAuth) throw new NeedAuthError(outcome.error);
    if (outcome.error) {
      this.#whyNoSwarm = outcome.error;
      log.warn("{name}: {error}", { name: this.plan.name, error: outcome.error });
    }
    return false;
  }

  /** Goes one way of bringing the file for as long as the lowest rate leaves it. */
  #inTime<Result>(
    way: (signal: AbortSignal, onLength: (length: number) => void) => Promise<Result>,
  ): Promise<Result> {
    const { lowestRate, limiters } = this.#tools;
    const rates = () => limiters.map(({ rate }) => rate).filter((rate) => rate > 0);
    const ownLimit = () => (rates().length > 0 ? Math.min(...rates()) : 0);
    return atLowestRate({ lowestRate, ownLimit }, this.#abort.signal, way);
  }

  #swarm(signal: AbortSignal, onLength: (length: number) => void): Promise<SwarmOutcome> {
    return joinSwarm({
      identity: this.plan.identity,
      source: this.plan.source,
      taskUrl: this.plan.taskUrl,
      fileName: this.plan.name,
      expectedLength: this.plan.length,
      http: this.#tools.http,
      supernodes: this.#tools.supernodes,
      limiters: this.#tools.limiters,
      bodies: this.#tools.bodies,
      swarms: this.#tools.swarms,
      zone: this.#tools.zone,
      minRate: this.#tools.minRate ?? MIN_RATE,
      maxInFlight: this.#tools.maxInFlight ?? CLIENT_QUEUE,
      resumed: this.#file,
      signal,
      span: this.#span,
      openFile: async (layout, taskId) => {
        if (layout.length >= 0) onLength(layout.length);
        if (this.#file) {
          const had = this.#file.layout;
          if (had.pieceSize === layout.pieceSize && had.framed === layout.framed) {
            this.#openedWith(this.#file);
            return this.#file;
          }
          // Another piece layout than last time: what is here does not fit.
          await this.#file.remove();
        }
        await this.#create(layout, taskId);
        return this.#file!;
      },
      onMember: (membership) => {
        this.membership = membership;
        this.onMember(membership);
        this.#file?.annotate({
          taskId: membership.taskId,
          cid: membership.cid,
          supernode: membership.supernode.name,
        });
      },
      awaited: this.awaited,
      onAlive: () => this.#alive(),
      onComing: (block, come) => {
        if (this.early.offer(block, come)) this.#notify();
      },
      onPiece: (piece, content, origin, digest) => this.#keep(piece, content, origin, digest),
      onStaged: (piece, content, digest) => {
        this.early.compare(piece, content);
        return this.#file!.stagePiece(piece, content, digest);
      },
      onConfirmed: (piece, bytes, origin) => this.#confirm(piece, bytes, origin),
      onLost: (piece) => this.#lose(piece),
    });
  }

  async #bySource(): Promise<void> {
    if (!this.#file) {
      const length = this.plan.length ?? -1;
      await this.#create({ pieceSize: pieceSize(length), framed: false, length }, this.plan.taskId);
    } else {
      this.#openedWith(this.#file);
    }
    const { url } = this.plan.source;
    const attributes = { "server.address": new URL(url).host };
    await inSpan("rest from the source", { kind: "client", parent: this.#span, attributes }, () =>
      this.#inTime((signal, onLength) =>
        fetchAllFromSource({
          source: this.plan.source,
          file: this.#file!,
          http: this.#tools.http,
          limiters: this.#tools.limiters,
          signal,
          onLength,
          onBytes: () => this.#alive(),
          onPiece: (piece, content) => this.#keep(piece, content, "registry"),
        }),
      ),
    );
  }

  async #create(layout: PieceLayout, taskId: string): Promise<void> {
    this.#check.restart();
    // One of another layout is gone, and where this one cannot be made there is none.
    this.#file = undefined;
    this.#file = await createFile(this.plan, layout, taskId);
    this.#openedWith(this.#file);
  }

  async #keep(
    piece: number,
    content: Uint8Array,
    origin: Origin,
    digest?: Uint8Array,
  ): Promise<void> {
    const file = this.#file!;
    if (file.has(piece)) return;
    this.early.compare(piece, content);
    await file.writePiece(piece, content, digest);
    this.#settleEarly(piece);
    this.#check.offer(file, piece, content);
    this.#count(content.byteLength, origin);
  }

  #confirm(piece: number, bytes: number, origin: Origin): void {
    const file = this.#file!;
    if (file.has(piece)) return;
    file.confirmPiece(piece);
    this.#settleEarly(piece);
    this.#check.offer(file, piece);
    this.#count(bytes, origin);
  }

  /** Readers that have been given another beginning of a block than it has must not take what they get for the file. */
  #settleEarly(block: number): void {
    if (!this.early.settle(block)) this.lost.push(block);
  }

  #count(bytes: number, origin: Origin): void {
    this.bytes[origin] += bytes;
    this.#tools.onBytes?.(origin, bytes);
    this.#notify();
  }

  /** Readers that are past the piece have been given wrong bytes, which the digest must not hide. */
  #lose(piece: number): void {
    this.#file!.dropPiece(piece);
    this.lost.push(piece);
    this.#check.lose(piece);
    this.#notify();
  }

  /** Compares the file with what it should be; wrong bytes from peers are fetched once more from the source. */
  async #verify(): Promise<void> {
    const file = this.#file!;
    const wrong = await this.#check.mismatch(file);
    if (!wrong) return;
    // Whoever holds nothing, and fetches nothing there, must be given no lease.
    this.#tools.swarms?.leave(this.plan.name);
    for (const piece of [...file.held]) file.dropPiece(piece);
    const hopeless =
      this.handedOut || this.reason !== BacksourceReason.none || this.plan.backToSource === "never";
    if (hopeless) throw new WrongDigestError(wrong);
    log.warn("{name}: {wrong}; fetching it again from the source", { name: this.plan.name, wrong });
    this.reason = BacksourceReason.md5Mismatch;
    this.#check.restart();
    this.onBackToSource();
    await this.#bySource();
    await file.seal();
    const still = await this.#check.mismatch(file);
    if (still) {
      for (const piece of [...file.held]) file.dropPiece(piece);
      throw new WrongDigestError(still);
    }
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = nextEvent();
    resolve();
  }
}

/** `Promise.withResolvers` for one event, which our oldest Node lacks. */
function nextEvent(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
