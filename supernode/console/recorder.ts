import type { TaskMetrics } from "../../protocol/v1/report.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { type ByteOrigin, type Problem, SILENT, type SupernodeObserver } from "../observer.ts";
import { HISTORY_STEP_MS, History } from "./history.ts";
import type { ProblemView } from "./messages.ts";

/** Problems kept. */
const MOST_PROBLEMS = 100;
/** The same problem within this time counts as one that comes again, ms. */
const SAME_PROBLEM_MS = 10 * 60_000;
/** Characters of a problem's text at most. */
const MOST_TEXT = 500;

/** In words, why a download left p2p (protocol §4). */
const REASONS: Readonly<Record<number, string>> = {
  [BacksourceReason.registerFailed]: "no supernode took it in",
  [BacksourceReason.md5Mismatch]: "its md5 was not as promised",
  [BacksourceReason.downloadError]: "p2p failed",
  [BacksourceReason.noSpace]: "no space left on its disk",
  [BacksourceReason.initError]: "it could not begin",
  [BacksourceReason.writeError]: "it could not write",
  [BacksourceReason.hostError]: "trouble on its host",
  [BacksourceReason.nodeEmpty]: "it knows no supernode",
  [BacksourceReason.sourceError]: "the source fails",
};

/**
 * Counts what the console shows over time, and remembers the last problems: the only part of the console
 * that works while nobody looks. Memory is bounded, and each event costs a few additions.
 */
export class Recorder implements SupernodeObserver {
  readonly taskRegistered = SILENT.taskRegistered;
  readonly clientRegistered = SILENT.clientRegistered;
  readonly clientFailed = SILENT.clientFailed;
  readonly pieceScheduled = SILENT.pieceScheduled;
  readonly pieceDownloaded = SILENT.pieceDownloaded;
  readonly cdnTriggered = SILENT.cdnTriggered;
  readonly cdnTriggerFailed = SILENT.cdnTriggerFailed;
  readonly cdnCacheHit = SILENT.cdnCacheHit;
  readonly cdnDownload = SILENT.cdnDownload;
  readonly cdnDownloadFailed = SILENT.cdnDownloadFailed;
  readonly bytesServed = SILENT.bytesServed;

  readonly history = new History();
  readonly #now: () => number;
  readonly #bytes: Record<ByteOrigin, number> = { registry: 0, supernode: 0, peer: 0 };
  #seeded = 0;
  #problemCount = 0;
  readonly #problems = new Map<string, ProblemView>();
  #timer: NodeJS.Timeout | undefined;

  /** @param now ms since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins to write the history. */
  start(): void {
    this.sample();
    this.#timer = setInterval(() => this.sample(), HISTORY_STEP_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Adds the present to the history. */
  sample(): void {
    const { delivered, egress } = this.totals;
    this.history.add([this.#now(), delivered, egress]);
  }

  /** Bytes since the start; see `Totals`. */
  get totals(): { delivered: number; egress: number; fromSupernode: number; problems: number } {
    const { registry, supernode, peer } = this.#bytes;
    return {
      delivered: registry + supernode + peer,
      egress: registry + this.#seeded,
      fromSupernode: supernode,
      problems: this.#problemCount,
    };
  }

  /** The last problems, by a number that each keeps. */
  get problems(): ReadonlyMap<string, ProblemView> {
    return this.#problems;
  }

  nodeReceived(origin: ByteOrigin, bytes: number): void {
    this.#bytes[origin] += bytes;
  }

  sourceBytes(bytes: number): void {
    this.#seeded += bytes;
  }

  problem({ kind, node = "", text }: Problem): void {
    this.#problemCount += 1;
    const atMs = this.#now();
    const shown = withoutQueries(text).slice(0, MOST_TEXT);
    for (const [id, last] of this.#problems) {
      if (last.kind !== kind || last.node !== node || last.text !== shown) continue;
      if (atMs - last.atMs > SAME_PROBLEM_MS) continue;
      this.#problems.set(id, { ...last, count: last.count + 1, atMs });
      return;
    }
    this.#problems.set(String(this.#problemCount), { kind, node, text: shown, count: 1, atMs });
    if (this.#problems.size > MOST_PROBLEMS)
      this.#problems.delete(this.#problems.keys().next().value!);
  }

  downloadReported({ IP, success, backsourceReason, callSystem }: TaskMetrics): void {
    const reason = REASONS[Number(backsourceReason)];
    if (success && reason === undefined) return;
    const what = success ? "went to the source by itself" : "failed";
    const who = callSystem ? ` for ${callSystem.slice(0, 64)}` : "";
    const text = `a download${who} ${what}${reason ? `: ${reason}` : ""}`;
    this.problem({ kind: "download failed", node: IP.slice(0, 64), text });
  }
}

/** A text without what follows the `?` of the URLs in it. */
export function withoutQueries(text: string): string {
  return text.replace(/(\bhttps?:\/\/[^\s?]+)\?[^\s:,]*/g, "$1");
}
