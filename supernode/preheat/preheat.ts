import type { PreheatRequest, PreheatStatus } from "../../protocol/v1/preheat.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { whyNoCopy } from "../seed/why_no_copy.ts";
import { fileToPrefetch, type Prefetch, type PrefetchRequest, preheatId } from "./file.ts";
import { parseImageUrl, resolveImage } from "./image.ts";
import { parsePlatform } from "./manifest.ts";
import { PreheatError } from "./preheat_error.ts";

/** How long a job is kept: 24 h (protocol §1, Preheat). */
const KEEP_MS = 24 * 60 * 60 * 1000;
/** Jobs kept at most: of more, those that ended are forgotten, the oldest first. */
const MAX_JOBS = 10_000;
/** Jobs under way at most: anybody may ask for some, and each holds its request in memory. */
const MAX_UNDER_WAY = 1000;

const log = getLogger("supernode");

/** A file or image being fetched ahead of time. The headers given with it are not kept. */
export interface PreheatJob {
  readonly id: string;
  readonly url: string;
  readonly type: "file" | "image";
  readonly filter: string;
  readonly identifier: string;
  /** The image that this file belongs to. */
  readonly parentId: string;
  /** The files of this image. */
  children: string[];
  status: PreheatStatus;
  /** ms since the epoch; 0: not yet. */
  startMs: number;
  finishMs: number;
  errorMsg: string;
}

export interface PreheatOptions {
  prefetch: Prefetch;
  /** For manifests and tokens. */
  client: HttpClient;
  /** Files fetched at once, over all jobs. Default: 4. */
  concurrency?: number;
  /** Default: {@link MAX_JOBS}. */
  maxJobs?: number;
  /** ms since the epoch. */
  now: () => number;
}

/** The list of preheat jobs, and what works it off. */
export class PreheatJobs {
  readonly #options: PreheatOptions;
  readonly #jobs = new Map<string, PreheatJob>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #inTurn: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(options: PreheatOptions) {
    this.#options = options;
    this.#inTurn = limitConcurrency(options.concurrency ?? 4);
  }

  /**
   * Starts a job and returns its id. The same request again joins a job under way, and repeats one
   * that has ended: our copy may be gone since.
   *
   * @param handedOn whether another supernode asks
   * @throws {PreheatError} while too many are under way
   */
  create(request: PreheatRequest, handedOn = false): string {
    this.#forgetOld();
    const file = { ...fileToPrefetch(request), handedOn };
    // The same image for another platform is another job.
    const platform = request.type === "image" ? request.platform : undefined;
    const identifier = [request.identifier, platform].filter(Boolean).join(" ");
    const id = preheatId({ ...file, identifier });
    if (this.#running.has(id)) return id;
    if (this.#running.size >= MAX_UNDER_WAY)
      throw new PreheatError(`${this.#running.size} preheats are under way: ask again later`);
    if (request.type === "file") return this.#startFile(file, request.filter, "").id;
    const job = this.#add(id, "image", file, request.filter, "");
    this.#run(job, () => this.#fetchImage(job, request));
    return id;
  }

  list(): PreheatJob[] {
    this.#forgetOld();
    return [...this.#jobs.values()];
  }

  /** Jobs that are not done. */
  get active(): number {
    return this.#running.size;
  }

  get(id: string): PreheatJob | undefined {
    this.#forgetOld();
    return this.#jobs.get(id);
  }

  /** Forgets a job and its children; what is being fetched is fetched all the same. */
  delete(id: string): void {
    for (const child of this.#jobs.get(id)?.children ?? []) this.#jobs.delete(child);
    this.#jobs.delete(id);
  }

  #startFile(file: PrefetchRequest, filter: string, parentId: string, headers?: HeaderSource) {
    const id = preheatId(file);
    const existing = this.#jobs.get(id);
    if (existing && this.#running.has(id)) return existing;
    const job = this.#add(id, "file", file, filter, parentId);
    this.#run(job, () =>
      this.#inTurn(async () => {
        job.status = "RUNNING";
        await this.#options.prefetch(headers ? { ...file, headers: await headers() } : file);
      }),
    );
    return job;
  }

  async #fetchImage(job: PreheatJob, request: PreheatRequest): Promise<void> {
    job.status = "RUNNING";
    const image = parseImageUrl(request.url);
    if (!image) throw new PreheatError("the URL is not scheme://host/v2/<name>/manifests/<ref>");
    const platform = request.platform ? parsePlatform(request.platform) : undefined;
    const blobs = await resolveImage(this.#options.client, image, request.headers, platform);
    const children = blobs.urls.map((url) => {
      const file = { ...fileToPrefetch(request), url, headers: {} };
      return this.#startFile(file, request.filter, job.id, blobs.headers);
    });
    job.children = children.map((child) => child.id);
    await Promise.all(children.map((child) => this.#running.get(child.id)));
    const failed = children.filter((child) => child.status === "FAILED");
    if (failed.length > 0) {
      throw new PreheatError(
        `${failed.length} of ${children.length} files failed; the first: ${failed[0]!.errorMsg}`,
      );
    }
  }

  #add(
    id: string,
    type: PreheatJob["type"],
    file: PrefetchRequest,
    filter: string,
    parentId: string,
  ): PreheatJob {
    const job: PreheatJob = {
      id,
      url: redactUrl(file.url),
      type,
      filter,
      identifier: file.identifier,
      parentId,
      children: [],
      status: "WAITING",
      startMs: this.#options.now(),
      finishMs: 0,
      errorMsg: "",
    };
    this.#jobs.set(id, job);
    return job;
  }

  #run(job: PreheatJob, work: () => Promise<void>): void {
    const done = work().then(
      () => {
        job.status = "SUCCESS";
      },
      (error: Error) => {
        job.status = "FAILED";
        job.errorMsg = whyNoCopy(error);
        log.warn("preheat of {url} failed: {reason}", { url: job.url, reason: job.errorMsg });
      },
    );
    const ended = done.then(() => {
      job.finishMs = this.#options.now();
      this.#running.delete(job.id);
    });
    this.#running.set(job.id, ended);
  }

  #forgetOld(): void {
    const { now, maxJobs = MAX_JOBS } = this.#options;
    const limitMs = now() - KEEP_MS;
    for (const [id, job] of this.#jobs) {
      const tooMany = this.#jobs.size >= maxJobs;
      if (job.finishMs > 0 && (tooMany || job.finishMs < limitMs)) this.#jobs.delete(id);
    }
  }
}

/** Headers asked for when a file's turn has come, for tokens do not live long. */
type HeaderSource = () => Promise<Record<string, string>>;

/** Runs at most `limit` of the works handed to it at once, the others in turn. */
function limitConcurrency(limit: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // Whoever is next takes this turn over.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
