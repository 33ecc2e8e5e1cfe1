import { createHash } from "node:crypto";
import { Code } from "../../protocol/codes.ts";
import { pieceSize } from "../../protocol/piece_size.ts";
import { taskId } from "../../protocol/task_id.ts";
import type { CdnSource, RegisterData, RegisterRequest } from "../../protocol/v1/register.ts";
import { headersFromWire } from "../../protocol/wire_headers.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { SupernodeObserver } from "../observer.ts";
import { type ScheduleLimits, TaskSchedule } from "../schedule/v1_scheduler.ts";
import { type Probe, probeSource } from "../seed/probe_source.ts";
import { isSameVersion } from "../seed/revalidate.ts";
import type { Seeder } from "../seed/seeder.ts";
import { SourceAccess, type Task, taskPieceCount } from "./task.ts";
import type { TaskStore } from "./task_store.ts";

/** A registration is refused; the client goes to the source itself. */
export class RegisterError extends Error {
  override name = "RegisterError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface RegisterOptions {
  /** Where clients of this supernode get pieces from at first (`cdnPattern`). */
  cdnSource: CdnSource;
  store: TaskStore;
  schedules: Map<string, TaskSchedule>;
  seeder: Seeder;
  http: HttpClient;
  limits: ScheduleLimits;
  /** How long a source that refused is not asked again, ms. */
  failAccessIntervalMs: number;
  observer: SupernodeObserver;
  now: () => number;
  random: () => number;
}

/** What a task needs to be known by. */
export interface TaskRequest {
  rawUrl: string;
  taskUrl: string;
  md5: string;
  identifier: string;
  access: SourceAccess;
}

/** Credentials that the source accepted are not shown to it again for this long, ms. */
const ACCEPTED_MS = 60_000;
/** A client that was heard of within this time is still at its task, ms. */
const ACTIVE_MS = 60_000;
/** Entries kept at most of what the source said. */
const MAX_ANSWERS = 10_000;
/** Headers that let somebody in. */
const CREDENTIALS = /^(authorization|cookie|proxy-authorization|x-.*(auth|token|key).*)$/i;

const log = getLogger("supernode");

/** Takes clients and their tasks in (protocol §1, POST /peer/registry). */
export class Registry {
  readonly #options: RegisterOptions;
  /** Probes under way, by task and credentials. */
  readonly #probes = new Map<string, Promise<Probe>>();
  /** When the source last accepted, by task and credentials; ms since the epoch. */
  readonly #accepted = new Map<string, number>();
  /** Until when not to ask again, and what it said; by task and credentials. */
  readonly #refused = new Map<string, { untilMs: number; message: string }>();

  constructor(options: RegisterOptions) {
    this.#options = options;
  }

  /**
   * Registers a client and its task.
   *
   * @throws {RegisterError}
   */
  async register(request: RegisterRequest): Promise<RegisterData> {
    const { store, now, observer } = this.#options;
    if (request.md5 && request.identifier)
      throw new RegisterError(Code.badParameter, "md5 and identifier exclude each other");
    const { task, schedule } = await this.task({
      rawUrl: request.rawURL,
      taskUrl: request.taskURL || request.rawURL,
      md5: request.md5,
      identifier: request.identifier,
      access: new SourceAccess(headersFromWire(request.headers), {
        insecure: request.insecure,
        ca: request.rootCAs.map((base64) => Buffer.from(base64, "base64").toString("utf8")),
      }),
    });
    const peer = store.addPeer({
      ip: request.IP,
      hostName: request.hostName,
      port: request.port,
      version: request.version,
    });
    store.addClient({
      cid: request.cID,
      taskId: task.id,
      peerId: peer.id,
      ip: request.IP,
      port: request.port,
      path: request.path,
      pattern: request.pattern,
      callSystem: request.callSystem,
      dfdaemon: request.dfdaemon,
      superNodeIp: request.superNodeIp,
      rawUrl: request.rawURL,
      state: "WAITING",
      lastAccessMs: now(),
    });
    const serves = request.port > 0 && request.path !== "" && request.pattern !== "cdn";
    schedule.join(request.cID, serves, now());
    observer.clientRegistered(request.callSystem);
    if (task.cdnSource === "supernode") {
      // Its outcome reaches the clients by the schedule.
      this.#options.seeder.seed(task, schedule).catch(() => {});
    }
    return {
      taskId: task.id,
      fileLength: task.length,
      pieceSize: task.pieceSize,
      cdnSource: task.cdnSource,
      asSeed: false,
      seedTaskID: "",
    };
  }

  /**
   * The task of a URL, new or known, for one whom the source lets in.
   *
   * @throws {RegisterError} when the source refuses, or cannot be used by this supernode's pattern
   */
  async task(request: TaskRequest): Promise<{ task: Task; schedule: TaskSchedule }> {
    const { store, now, cdnSource } = this.#options;
    const { headers } = request.access;
    // The id looks at `Range` in this spelling only: in another, a part would pass for the whole.
    if (Object.keys(headers).some((name) => /^range$/i.test(name) && name !== "Range"))
      throw new RegisterError(Code.badParameter, "the header Range must be spelled so");
    if (headers.Range && cdnSource === "source")
      throw new RegisterError(
        Code.badParameter,
        "a Range request cannot be shared in pattern source",
      );
    const id = taskId({ ...request, headers });
    const key = `${id} ${credentialHash(request)}`;
    const acceptedMs = this.#accepted.get(key);
    const known = store.task(id);
    let probe: Probe | undefined;
    if (!known || acceptedMs === undefined || now() - acceptedMs > ACCEPTED_MS) {
      probe = await this.#probe(key, id, request);
      this.#judge(probe, key, id, request);
    }
    const task = this.#taskOf(id, request, probe);
    task.lastAccessMs = now();
    if (probe?.kind === "found") {
      task.access = request.access;
      task.rawUrl = request.rawUrl;
    }
    let schedule = this.#options.schedules.get(id);
    if (!schedule) {
      const { limits, random } = this.#options;
      schedule = new TaskSchedule(cdnSource, taskPieceCount(task), limits, random);
      this.#options.schedules.set(id, schedule);
      if (cdnSource === "source") await this.#options.seeder.offerSaved(task, schedule);
    }
    return { task, schedule };
  }

  /** Asks the source once for all who come with the same credentials at the same time. */
  #probe(key: string, id: string, request: TaskRequest): Promise<Probe> {
    const { http, now, cdnSource } = this.#options;
    const refused = this.#refused.get(key);
    if (refused && now() < refused.untilMs)
      throw new RegisterError(Code.urlNotReachable, refused.message);
    let probe = this.#probes.get(key);
    if (!probe) {
      const { headers, tls } = request.access;
      const needRanges = cdnSource === "source";
      probe = probeSource(http, { url: request.rawUrl, headers, tls, needRanges }).finally(() =>
        this.#probes.delete(key),
      );
      this.#probes.set(key, probe);
      log.debug("asked the source of task {task}", { task: id });
    }
    return probe;
  }

  /** Whether what the source says is good enough to take the client in. */
  #judge(probe: Probe, key: string, id: string, request: TaskRequest): void {
    const { now, failAccessIntervalMs, cdnSource, store } = this.#options;
    const about = `task ${id}, ${redactUrl(request.rawUrl)}`;
    if (probe.kind === "refused") {
      if (probe.status === 401 || probe.status === 407) {
        this.#accepted.delete(key);
        throw new RegisterError(
          Code.needAuth,
          `${about}: authentication required, the source answers ${probe.status}`,
        );
      }
      const message = `${about}: url not reachable, the source answers ${probe.status}`;
      // A source in trouble may be well again in a moment; a dead URL is not.
      const passing = probe.status >= 500 || probe.status === 408 || probe.status === 429;
      if (!passing)
        remember(this.#refused, key, { untilMs: now() + failAccessIntervalMs, message });
      throw new RegisterError(Code.urlNotReachable, message);
    }
    if (probe.kind === "unreachable") {
      const known = store.task(id);
      // What was let in before may have what others hold of the file.
      if (known && this.#accepted.has(key)) return;
      if (cdnSource === "source") throw noLength(about);
      // Nobody can tell now whether the source would let this caller in.
      if (known && (isGuarded(request) || isGuarded(known)))
        throw new RegisterError(
          Code.urlNotReachable,
          `${about}: the source cannot be asked about these credentials`,
        );
      return;
    }
    if (cdnSource === "source") {
      if (probe.length <= 0) throw noLength(about);
      if (!probe.acceptsRanges)
        throw new RegisterError(
          Code.systemError,
          `${about}: the source gives no parts of it (Range), which the source CDN pattern needs`,
        );
    }
    this.#refused.delete(key);
    remember(this.#accepted, key, now());
  }

  /** The known task where it is still the same file, else a new one. */
  #taskOf(id: string, request: TaskRequest, probe: Probe | undefined): Task {
    const { store, now, cdnSource, observer } = this.#options;
    const known = store.task(id);
    if (known && (probe === undefined || !this.#hasChanged(known, probe))) return known;
    if (known) {
      const activeSinceMs = now() - ACTIVE_MS;
      const failed = known.cdnStatus === "FAILED" || known.cdnStatus === "SOURCE_ERROR";
      for (const client of failed ? [] : store.clientsOfTask(id)) {
        const atIt = client.state === "WAITING" || client.state === "RUNNING";
        if (atIt && client.lastAccessMs > activeSinceMs)
          throw new RegisterError(
            Code.taskConflict,
            `task ${id}: the source has another file now than the one being distributed`,
          );
      }
      store.removeTask(id);
    }
    const length = probe?.kind === "found" ? probe.length : -1;
    const task: Task = {
      id,
      rawUrl: request.rawUrl,
      taskUrl: request.taskUrl,
      md5: request.md5,
      identifier: request.identifier,
      cdnSource,
      pieceSize: pieceSize(length),
      access: request.access,
      length,
      validators: probe?.kind === "found" ? probe.validators : { etag: "", lastModified: "" },
      cdnStatus: "WAITING",
      pieceMd5s: [],
      realMd5: "",
      createdMs: now(),
      lastAccessMs: now(),
    };
    store.addTask(task);
    observer.taskRegistered();
    log.info("new task {task}: {url}, {length} bytes", {
      task: id,
      url: redactUrl(request.rawUrl),
      length,
    });
    return task;
  }

  #hasChanged(task: Task, probe: Probe): boolean {
    if (probe.kind !== "found") return false;
    const failed = task.cdnStatus === "FAILED" || task.cdnStatus === "SOURCE_ERROR";
    if (probe.length < 0) return false;
    // A task begun while the source could not be reached learns its length when it is begun anew.
    if (task.length < 0) return failed;
    if (probe.length !== task.length) return true;
    const silent = !task.validators.etag && !task.validators.lastModified;
    const nowSilent = !probe.validators.etag && !probe.validators.lastModified;
    if (silent || nowSilent) return false;
    return !isSameVersion(task.validators, probe.validators);
  }
}

function noLength(about: string): RegisterError {
  // v1's very words, which operators know.
  return new RegisterError(
    Code.systemError,
    `failed to get file length and it is required in source CDN pattern: ${about}`,
  );
}

/** Whether a caller shows the source something that others may not have. */
function isGuarded({ rawUrl, taskUrl, access }: Pick<Task, "rawUrl" | "taskUrl" | "access">) {
  return (
    rawUrl !== taskUrl ||
    new URL(rawUrl).username !== "" ||
    Object.keys(access.headers).some((name) => CREDENTIALS.test(name))
  );
}

/** Stands for all that a caller shows to the source: the URL may carry a signature. */
function credentialHash({ rawUrl, access }: TaskRequest): string {
  const headers = Object.entries(access.headers)
    .map(([name, value]) => [name.toLowerCase(), value])
    .sort();
  return createHash("sha256")
    .update(JSON.stringify([rawUrl, headers, access.tls.insecure, access.tls.ca]))
    .digest("hex");
}

/** Adds to a map that must not grow without bounds: the oldest entry goes. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > MAX_ANSWERS ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
