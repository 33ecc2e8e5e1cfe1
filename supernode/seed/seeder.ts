import { blobDigest } from "../../protocol/digest.ts";
import { FRAME_BYTES } from "../../protocol/piece_frame.ts";
import { isDiskFull } from "../../runtime/files.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { inSpan, type Span } from "../../runtime/tracing/tracing.ts";
import { Turnstile } from "../../runtime/turnstile.ts";
import type { SupernodeObserver } from "../observer.ts";
import type { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import { type Task, taskLayout } from "../tasks/task.ts";
import type { CopyWriter, SavedCopy, SeedCache } from "./cache.ts";
import { PieceCutter } from "./cut_pieces.ts";
import { fetchOnce, SourceError, WrongContentError } from "./fetch_once.ts";
import type { ReadAhead } from "./read_ahead.ts";
import { readPiece } from "./read_piece.ts";
import { isUsable, trustedPieces } from "./revalidate.ts";
import { whyNoCopy } from "./why_no_copy.ts";

export interface SeederOptions {
  cache: SeedCache;
  http: HttpClient;
  /** Shared by all downloads from sources. */
  limiter: RateLimiter;
  /** Downloads from sources at once. */
  maxDownloads: number;
  /** Absent: a copy may be as far ahead of the nodes as it likes. */
  readAhead?: ReadAhead | undefined;
  observer: SupernodeObserver;
}

interface Job {
  readonly kind: "make" | "offer" | "drop";
  readonly done: Promise<void>;
  readonly abort: AbortController;
}

const log = getLogger("supernode");

/** Makes the supernode's own copies: from the disk where they are still good, else from the source. */
export class Seeder {
  readonly #options: SeederOptions;
  readonly #turnstile: Turnstile;
  readonly #jobs = new Map<string, Job>();

  constructor(options: SeederOptions) {
    this.#options = options;
    this.#turnstile = new Turnstile(options.maxDownloads);
  }

  /** Downloads from sources that run, and that wait for their turn. */
  get load(): { running: number; waiting: number } {
    return this.#turnstile.load;
  }

  /** Downloads from sources at once, from now on. */
  setMaxDownloads(count: number): void {
    this.#turnstile.setCapacity(count);
  }

  /**
   * Resolves when the own copy of a task is complete, beginning to make it where nobody has.
   *
   * @param span who began it, in a trace
   * @throws {SourceError | WrongContentError | Error} why it cannot be had
   */
  seed(task: Task, schedule: TaskSchedule, span?: Span): Promise<void> {
    if (task.cdnStatus === "SUCCESS") return this.#options.cache.touch(task.id);
    const running = this.#jobs.get(task.id);
    if (running?.kind === "make" && !running.abort.signal.aborted) return running.done;
    if (running?.kind === "drop") {
      // It is made anew as soon as the old one is gone: it has not failed any more.
      task.cdnStatus = "WAITING";
      schedule.seedStarted();
    }
    this.#options.observer.cdnTriggered();
    return this.#begin("make", task.id, running, async (signal) => {
      if (task.cdnStatus === "SUCCESS") return;
      await this.#make(task, schedule, signal, span);
    });
  }

  /**
   * Offers the copy on disk, if there is a complete one of the right version; asks the source for
   * nothing. Resolves when that is decided; the pieces follow as they are found good.
   */
  async offerSaved(task: Task, schedule: TaskSchedule): Promise<void> {
    // Nobody must be sent to the source for what is about to be offered.
    schedule.seedStarted();
    const saved = await this.#options.cache.read(task.id);
    if (this.#jobs.has(task.id)) return;
    if (!saved?.complete || !isUsable(saved, task)) {
      schedule.seedFailed();
      return;
    }
    task.cdnStatus = "RUNNING";
    this.#begin("offer", task.id, undefined, async () => {
      if (!(await this.#announceSaved(task, schedule, saved))) schedule.seedFailed();
    }).catch((error: Error) => {
      task.cdnStatus = "WAITING";
      schedule.seedFailed();
      log.warn("cannot read the copy of task {task}: {reason}", {
        task: task.id,
        reason: error.message,
      });
    });
  }

  /** Looks at a piece that a client complains of; a spoilt copy is dropped and made anew when asked for. */
  async doubt(task: Task, schedule: TaskSchedule, piece: number): Promise<void> {
    const sum = task.pieceSums[piece];
    if (task.cdnStatus !== "SUCCESS" || sum === undefined) return;
    const { pieceSize } = task;
    const file = await this.#options.cache.open(task.id).catch(() => undefined);
    // What cannot be read is as good as wrong.
    const bytes = file && (await readPiece(file, { piece, sum, pieceSize }).catch(() => undefined));
    await file?.close();
    if (bytes || task.cdnStatus !== "SUCCESS") return;
    log.error("piece {piece} of task {task} is spoilt on disk: the copy is dropped", {
      piece,
      task: task.id,
    });
    task.cdnStatus = "FAILED";
    schedule.seedFailed();
    // Who makes a new one waits for this: else it would be deleted in place of the old one.
    const before = this.#jobs.get(task.id);
    await this.#begin("drop", task.id, before, async () => {
      await this.#options.cache.drop(task.id);
    });
  }

  /** Ends the work on a task, if any; what is on disk stays. */
  stop(taskId: string): void {
    this.#jobs.get(taskId)?.abort.abort(new Error("the task was removed"));
  }

  /** Ends all work. */
  async close(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const { abort } of jobs) abort.abort(new Error("the supernode is stopping"));
    await Promise.allSettled(jobs.map(({ done }) => done));
  }

  /** Runs one job a task at a time; an aborted one is waited for, since it has the files open. */
  #begin(
    kind: Job["kind"],
    taskId: string,
    before: Job | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    const run = async () => {
      await before?.done.catch(() => {});
      try {
        await work(abort.signal);
      } finally {
        if (this.#jobs.get(taskId) === job) this.#jobs.delete(taskId);
      }
    };
    // A turn later, so that `job` is there when it ends.
    const job: Job = { kind, abort, done: Promise.resolve().then(run) };
    // Whoever wants to know awaits it; the task's status says it to all others.
    job.done.catch(() => {});
    this.#jobs.set(taskId, job);
    return job.done;
  }

  async #make(
    task: Task,
    schedule: TaskSchedule,
    signal: AbortSignal,
    span: Span | undefined,
  ): Promise<void> {
    const { observer, cache } = this.#options;
    task.cdnStatus = "RUNNING";
    task.pieceSums = [];
    task.realMd5 = "";
    schedule.seedStarted();
    let fetching = false;
    try {
      const saved = await cache.read(task.id);
      if (saved && isUsable(saved, task)) {
        if (saved.complete && (await this.#announceSaved(task, schedule, saved))) return;
      }
      await this.#turnstile.pass(signal, async () => {
        fetching = true;
        observer.cdnDownload();
        const attributes = {
          "url.full": redactUrl(task.rawUrl),
          "dragonfly.task": task.id,
        };
        await inSpan("copy from the source", { kind: "client", parent: span, attributes }, () =>
          this.#fetch(task, schedule, saved, signal),
        );
      });
      log.info("the copy of {url} is complete: task {task}, {length} bytes", {
        url: redactUrl(task.rawUrl),
        task: task.id,
        length: task.length,
      });
    } catch (error) {
      task.cdnStatus = error instanceof SourceError ? "SOURCE_ERROR" : "FAILED";
      schedule.seedFailed();
      if (fetching) observer.cdnDownloadFailed();
      else observer.cdnTriggerFailed();
      // A part is kept to be resumed some day, unless it is wrong, or the disk wants the room back.
      if (error instanceof WrongContentError || isDiskFull(error)) await cache.drop(task.id);
      if (!signal.aborted) {
        const url = redactUrl(task.rawUrl);
        const reason = whyNoCopy(error as Error);
        observer.problem({ kind: "copy failed", text: `no copy of ${url}: ${reason}` });
        log.warn("no copy of {url}: task {task}: {reason}", { url, task: task.id, reason });
      }
      throw error;
    }
  }

  /** Announces a complete copy piece by piece; `false` where one of them is not what it was. */
  async #announceSaved(task: Task, schedule: TaskSchedule, saved: SavedCopy): Promise<boolean> {
    const { complete } = saved;
    if (!complete) return false;
    task.cdnStatus = "RUNNING";
    for await (const { number, sum } of trustedPieces(this.#options.cache, task.id, saved)) {
      task.pieceSums[number] = sum;
      schedule.seedPieceReady(number);
    }
    if (task.pieceSums.length !== saved.pieceSums.length) {
      task.pieceSums = [];
      task.cdnStatus = "WAITING";
      schedule.seedStarted();
      return false;
    }
    this.#finish(task, schedule, complete.length, complete.realMd5);
    this.#options.observer.cdnCacheHit();
    return true;
  }

  async #fetch(
    task: Task,
    schedule: TaskSchedule,
    saved: SavedCopy | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { cache, http, limiter, observer, readAhead } = this.#options;
    const layout = taskLayout(task);
    // A part of a blob has no digest of its own.
    const digest = task.access.headers.Range ? undefined : blobDigest(task.taskUrl);
    const cutter = new PieceCutter(layout, {
      md5: task.md5 !== "",
      sha256: digest !== undefined,
    });
    task.cdnStatus = "RUNNING";
    const announce = (number: number, sum: string) => {
      task.pieceSums[number] = sum;
      schedule.seedPieceReady(number);
    };
    // Where the length is unknown, nobody can tell whether the last piece on disk is the last there is.
    if (saved && task.length >= 0 && isUsable(saved, task)) {
      for await (const { number, sum, content } of trustedPieces(cache, task.id, saved)) {
        signal.throwIfAborted();
        cutter.adopt(content);
        announce(number, sum);
      }
    }
    const head = { ...task.validators, framed: layout.framed, pieceSize: task.pieceSize };
    const kept = [...task.pieceSums];
    const writer = await cache.write(task.id, { ...head, length: task.length }, kept);
    readAhead?.copies.grown(task.id, cutter.offset);
    try {
      await fetchOnce({
        http,
        url: () => task.rawUrl,
        access: () => task.access,
        layout,
        validators: task.validators,
        cutter,
        stored: task.pieceSums,
        limit: limiter.share(),
        signal,
        // One that waits for the nodes must not keep others from their turn.
        mayGoOn: async () =>
          readAhead?.pass(task.id, cutter.offset, signal, () => this.#turnstile.load.waiting > 0) ??
          Number.POSITIVE_INFINITY,
        onPiece: async (piece) => {
          await writer.piece(piece);
          signal.throwIfAborted();
          announce(piece.number, piece.sum);
        },
        onPart:
          readAhead &&
          (async (part) => {
            await writer.part(part);
            readAhead.copies.grown(task.id, part.end);
          }),
        onBytes: (bytes) => observer.sourceBytes(bytes),
      });
      if (task.md5 && cutter.md5() !== task.md5.toLowerCase())
        throw new WrongContentError(`md5 is ${cutter.md5()}, not ${task.md5} as promised`);
      if (digest && cutter.sha256() !== digest.hex)
        throw new WrongContentError(`sha256 is ${cutter.sha256()}, not ${digest.hex}`);
      await this.#complete(task, cutter, writer);
      this.#finish(task, schedule, cutter.offset, cutter.md5());
      readAhead?.copies.ended(task.id);
    } catch (error) {
      readAhead?.copies.ended(task.id, error as Error);
      throw error;
    } finally {
      await writer.close();
    }
  }

  async #complete(task: Task, cutter: PieceCutter, writer: CopyWriter): Promise<void> {
    const frames = task.cdnSource === "supernode" ? task.pieceSums.length * FRAME_BYTES : 0;
    await writer.complete(cutter.offset, cutter.md5(), cutter.offset + frames);
  }

  #finish(task: Task, schedule: TaskSchedule, length: number, realMd5: string): void {
    task.length = length;
    task.realMd5 = realMd5;
    task.cdnStatus = "SUCCESS";
    schedule.seedComplete(task.pieceSums.length);
  }
}
