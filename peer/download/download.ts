import { type Digest, formatDigest } from "../../protocol/digest.ts";
import { pieceSize } from "../../protocol/piece_size.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { freeBytes, isDiskFull } from "../../runtime/files.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { RateLimit } from "../../runtime/rate_limit/rate_limiter.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { inSpan, type Span, startSpan } from "../../runtime/tracing/tracing.ts";
import {
  byOrigin,
  DownloadError,
  type DownloadSummary,
  NeedAuthError,
  type Origin,
  WrongDigestError,
} from "../contract.ts";
import { TaskFile } from "../store/task_file.ts";
import type { SupernodeList } from "../supernode/supernode_list.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { fetchAllFromSource } from "./back_to_source.ts";
import type { BodyCount } from "./body_count.ts";
import { MIN_RATE } from "./fetch_piece.ts";
import type { Source } from "./fetch_source.ts";
import { joinSwarm } from "./join_swarm.ts";
import { atLowestRate, TooSlowError } from "./lowest_rate.ts";
import { RunningDigest } from "./running_digest.ts";
import {
  CLIENT_QUEUE,
  type Membership,
  type SwarmIdentity,
  type SwarmOutcome,
} from "./swarm_types.ts";

/** What a download is to bring, and how. */
export interface DownloadPlan {
  source: Source;
  /** `source.url` without its filtered parameters. */
  taskUrl: string;
  taskId: string;
  /** Cache key. */
  key: string;
  identity: SwarmIdentity;
  /** Where the file lies. */
  path: string;
  /** Name on the peer server. */
  name: string;
  /** Bytes, where the caller knows. */
  length?: number | undefined;
  digest?: Digest | undefined;
  /** md5 in hex that the file must have. */
  md5?: string | undefined;
  /**
   * Whether to go to the source where p2p fails: `joined` only for a download that the swarm has taken
   * in, because the caller has a plainer way to the source than through our file.
   */
  backToSource: "always" | "joined" | "never";
  /** Do not ask a supernode at all. */
  sourceOnly?: boolean;
}

/** What a download works with. */
export interface DownloadTools {
  http: HttpClient;
  supernodes: SupernodeList;
  limiters: readonly RateLimit[];
  /** What this node reads from outside at once. */
  bodies: BodyCount;
  /** This node's place in our own swarm; absent: v1's ways only. */
  swarms?: SwarmSessions | undefined;
  zone?: string | undefined;
  /** Bytes a second below which a peer is given up. Default: 64 KiB. */
  minRate?: number | undefined;
  /**
   * Bytes a second that the whole file must come at, by p2p and then from the source; absent: any. Not
   * for a file whose reader sets the pace.
   */
  lowestRate?: number | undefined;
  /** Pieces in the works at once. Default: 6. */
  maxInFlight?: number | undefined;
  onBytes?: ((origin: Origin, bytes: number) => void) | undefined;
  /** What the download is for, in a trace. */
  span?: Span | undefined;
}

/** Added to the reason where the user forbids the source that it calls for, as v1 does. */
const SOURCE_FORBIDDEN = 1000;
/** Free disk space that a download leaves, bytes. */
const SPARE_BYTES = 16 * 1024 * 1024;

const log = getLogger("dfclient");

/**
 * One download's life: join the swarm, bring the pieces, fall back to the source, verify. Readers
 * follow it by {@link waitForPiece}.
 */
export class Download {
  readonly plan: DownloadPlan;
  readonly done: Promise<DownloadSummary>;
  /** Pieces that turned out wrong after readers could have them, in the order of their finding. */
  readonly lost: number[] = [];
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
  #digest: RunningDigest | undefined;
  #whyNoSwarm = "no supernode is configured";
  #changed = nextEvent();

  /** @param resumed what an earlier download left of the same file */
  constructor(plan: DownloadPlan, tools: DownloadTools, resumed?: TaskFile) {
    this.plan = plan;
    this.#tools = tools;
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
    return this.plan.digest !== undefined || this.plan.md5 !== undefined;
  }

  /** Gives up; what is here stays. */
  abort(reason: string): void {
    this.#abort.abort(new DownloadError(reason));
  }

  /** Resolves when something has changed: a piece came, or the download ended. */
  changed(): Promise<void> {
    return this.#changed.promise;
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
      onPiece: (piece, content, origin, digest) => this.#keep(piece, content, origin, digest),
      onStaged: (piece, content, digest) => this.#file!.stagePiece(piece, content, digest),
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
          onPiece: (piece, content) => this.#keep(piece, content, "registry"),
        }),
      ),
    );
  }

  async #create(
    layout: { pieceSize: number; framed: boolean; length: number },
    taskId: string,
  ): Promise<void> {
    const { plan } = this;
    this.#digest = undefined;
    this.#file = await TaskFile.create(plan.path, {
      version: 1,
      key: plan.key,
      taskId,
      cid: plan.identity.cid,
      supernode: "",
      name: plan.name,
      length: layout.length,
      pieceSize: layout.pieceSize,
      framed: layout.framed,
      pieces: [],
      verified: false,
      touchedMs: Date.now(),
    });
    if (layout.length > 0) {
      const free = await freeBytes(plan.path).catch(() => Number.POSITIVE_INFINITY);
      if (free < layout.length + SPARE_BYTES) {
        await this.#file.remove();
        this.#file = undefined;
        throw Object.assign(
          new DownloadError(
            `no space left for ${layout.length} bytes: ${free} are free at ${plan.path}, ${SPARE_BYTES} of them to be left`,
          ),
          { code: "ENOSPC" },
        );
      }
    }
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
    await file.writePiece(piece, content, digest);
    this.#runningDigest(file)?.offer(piece, content);
    this.#count(content.byteLength, origin);
  }

  #confirm(piece: number, bytes: number, origin: Origin): void {
    const file = this.#file!;
    if (file.has(piece)) return;
    file.confirmPiece(piece);
    this.#runningDigest(file)?.offer(piece);
    this.#count(bytes, origin);
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
    // What has been hashed cannot be taken back: all is read again in the end.
    if ((this.#digest?.next ?? 0) > piece) this.#digest = undefined;
    this.#notify();
  }

  #runningDigest(file: TaskFile): RunningDigest | undefined {
    if (!this.verifies) return undefined;
    this.#digest ??= new RunningDigest(file, [
      ...(this.plan.digest ? [this.plan.digest.algorithm] : []),
      ...(this.plan.md5 ? ["md5"] : []),
    ]);
    return this.#digest;
  }

  /** Compares the file with what it should be; wrong bytes from peers are fetched once more from the source. */
  async #verify(): Promise<void> {
    const wrong = await this.#mismatch();
    if (!wrong) return;
    const file = this.#file!;
    for (const piece of [...file.held]) file.dropPiece(piece);
    const hopeless =
      this.handedOut || this.reason !== BacksourceReason.none || this.plan.backToSource === "never";
    if (hopeless) throw new WrongDigestError(wrong);
    log.warn("{name}: {wrong}; fetching it again from the source", { name: this.plan.name, wrong });
    this.reason = BacksourceReason.md5Mismatch;
    this.#digest = undefined;
    this.onBackToSource();
    await this.#bySource();
    const still = await this.#mismatch();
    if (still) {
      for (const piece of [...file.held]) file.dropPiece(piece);
      throw new WrongDigestError(still);
    }
  }

  async #mismatch(): Promise<string | undefined> {
    const digests = await this.#runningDigest(this.#file!)?.digests();
    const { digest, md5 } = this.plan;
    const sha256 = digests?.get("sha256");
    if (digest && sha256 !== digest.hex) {
      return `the bytes are sha256:${sha256}, not ${formatDigest(digest)}`;
    }
    const real = digests?.get("md5");
    if (md5 && real !== md5.toLowerCase()) return `the bytes have md5 ${real}, not ${md5}`;
    return undefined;
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
