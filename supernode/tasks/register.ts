import { Code } from "../../protocol/codes.ts";
import { blobDigest } from "../../protocol/digest.ts";
import { isFilteredFrom } from "../../protocol/filter_url.ts";
import { isAnonymous } from "../../protocol/is_anonymous.ts";
import { PathKey } from "../../protocol/path_pass.ts";
import { pieceSize } from "../../protocol/piece_size.ts";
import { taskId } from "../../protocol/task_id.ts";
import type { CdnSource, RegisterData, RegisterRequest } from "../../protocol/v1/register.ts";
import { headersFromWire } from "../../protocol/wire_headers.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { hasSecretWord } from "../../runtime/secret_word.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import type { SupernodeObserver } from "../observer.ts";
import type { ScheduleLimits } from "../schedule/v1/limits.ts";
import { TaskSchedule } from "../schedule/v1/task_schedule.ts";
import type { Probe } from "../seed/probe_source.ts";
import { isSameVersion } from "../seed/revalidate.ts";
import type { Seeder } from "../seed/seeder.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";
import { Admission, RegisterError, type TaskRequest } from "./admission.ts";
import {
  type Client,
  hasFailed,
  isAtIt,
  SourceAccess,
  type Task,
  taskPieceCount,
  type Validators,
} from "./task.ts";
import type { TaskStore } from "./task_store.ts";

export interface RegisterOptions {
  /** Where clients of this supernode get pieces from at first (`cdnPattern`). */
  cdnSource: CdnSource;
  store: TaskStore;
  schedules: Map<string, TaskSchedule>;
  seeder: Seeder;
  swarms: SwarmDesk;
  http: HttpClient;
  limits: ScheduleLimits;
  /** Takes no clients: the supernode is to be stopped soon. */
  draining: boolean;
  /** How long a source that refused is not asked again, ms. */
  failAccessIntervalMs: number;
  observer: SupernodeObserver;
  /** ms since the epoch. */
  now: () => number;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
  random: () => number;
}

const log = getLogger("supernode");

/** Takes clients and their tasks in (protocol §1, POST /peer/registry). */
export class Registry {
  readonly #options: RegisterOptions;
  readonly #admission: Admission;

  constructor(options: RegisterOptions) {
    this.#options = options;
    this.#admission = new Admission(options);
  }

  /**
   * Registers a client and its task.
   *
   * @param from the address that the request came from
   * @param span the registration, in a trace
   * @throws {RegisterError}
   */
  async register(request: RegisterRequest, from?: string, span?: Span): Promise<RegisterData> {
    const { store, steadyNow, observer, swarms } = this.#options;
    if (this.#options.draining)
      throw new RegisterError(Code.systemError, "this supernode is draining: use another one");
    if (request.md5 && request.identifier)
      throw new RegisterError(Code.badParameter, "md5 and identifier exclude each other");
    const { task, schedule } = await this.task({
      rawUrl: request.rawURL,
      taskUrl: request.taskURL || request.rawURL,
      md5: request.md5,
      identifier: request.identifier,
      span,
      access: new SourceAccess(headersFromWire(request.headers), {
        insecure: request.insecure,
        ca: request.rootCAs.map((base64) => Buffer.from(base64, "base64").toString("utf8")),
      }),
    });
    if (swarms.isBanned(task, { ip: request.IP, port: request.port }))
      throw new RegisterError(
        Code.systemError,
        `task ${task.id}: ${request.IP}:${request.port} has handed out wrong blocks of it`,
      );
    const peer = store.addPeer({
      ip: request.IP,
      hostName: request.hostName,
      port: request.port,
      version: request.version,
    });
    const client: Client = {
      cid: request.cID,
      taskId: task.id,
      peerId: peer.id,
      ip: request.IP,
      port: request.port,
      path: request.path,
      pathKey: request.pathKey && PathKey.told(request.pathKey, steadyNow()),
      pattern: request.pattern,
      callSystem: request.callSystem,
      dfdaemon: request.dfdaemon,
      superNodeIp: request.superNodeIp,
      onlyFrom: hasSecretWord(request.cID) ? undefined : from,
      pieceSha256: request.pieceSha256,
      rawUrl: request.rawURL,
      state: "WAITING",
      lastAccessMs: steadyNow(),
    };
    store.addClient(client);
    const serves = request.port > 0 && request.path !== "" && request.pattern !== "cdn";
    schedule.join(request.cID, serves, steadyNow());
    observer.clientRegistered(request.callSystem);
    const swarm = swarms.join(client, task, request.swarm);
    if (task.cdnSource === "supernode" && (!swarm || swarms.wantsSeed(task))) {
      // Its outcome reaches the clients by the schedule, and by the task's status.
      this.#options.seeder.seed(task, schedule, span).catch(() => {});
    }
    return {
      taskId: task.id,
      fileLength: task.length,
      pieceSize: task.pieceSize,
      cdnSource: task.cdnSource,
      asSeed: false,
      seedTaskID: "",
      ...(request.pathKey ? { pathKey: true } : {}),
      swarm,
    };
  }

  /**
   * The task of a URL, new or known, for one whom the source lets in.
   *
   * @throws {RegisterError} when the source refuses, or cannot be used by this supernode's pattern
   */
  async task(request: TaskRequest): Promise<{ task: Task; schedule: TaskSchedule }> {
    const { store, steadyNow, cdnSource } = this.#options;
    const { headers } = request.access;
    // The id looks at `Range` in this spelling only: in another, a part would pass for the whole.
    if (Object.keys(headers).some((name) => /^range$/i.test(name) && name !== "Range"))
      throw new RegisterError(Code.badParameter, "the header Range must be spelled so");
    if (headers.Range && cdnSource === "source")
      throw new RegisterError(
        Code.badParameter,
        "a Range request cannot be shared in pattern source",
      );
    if (!URL.canParse(request.rawUrl))
      throw new RegisterError(Code.badParameter, "rawURL is not a URL");
    if (!isFilteredFrom(request.taskUrl, request.rawUrl))
      throw new RegisterError(
        Code.badParameter,
        "taskURL must be rawURL without some of its query parameters",
      );
    const id = taskId({ ...request, headers });
    const probe = await this.#admission.admit(id, request, store.task(id));
    const task = this.#taskOf(id, request, probe);
    task.lastAccessMs = steadyNow();
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

  /**
   * The known task. One that was begun by somebody about whom the source could not be asked, and of which it has
   * given nothing since, is forgotten once it says yes to another: the copy that is now made with the rights of this
   * one must not reach those who came in without.
   */
  #vouchedFor(id: string, probe: Probe | undefined): Task | undefined {
    const { store } = this.#options;
    const known = store.task(id);
    if (!known || known.isVouchedFor || probe?.kind !== "found") return known;
    if (known.cdnStatus === "SUCCESS" || known.pieceSums.length > 0) return known;
    store.removeTask(id);
    return undefined;
  }

  /** The known task where it is still the same file, else a new one. */
  #taskOf(id: string, request: TaskRequest, probe: Probe | undefined): Task {
    const { store, now, steadyNow, cdnSource, observer } = this.#options;
    const known = this.#vouchedFor(id, probe);
    if (known && (probe === undefined || !hasChanged(known, probe))) return known;
    if (known) {
      const nowMs = steadyNow();
      for (const client of hasFailed(known) ? [] : store.clientsOfTask(id)) {
        if (isAtIt(client, nowMs))
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
      isVouchedFor: probe?.kind === "found",
      isPublic: probe?.kind === "found" && isAnonymous(request.rawUrl, request.access.headers),
      md5: request.md5,
      identifier: request.identifier,
      cdnSource,
      pieceSize: pieceSize(length),
      access: request.access,
      length,
      validators: probe?.kind === "found" ? probe.validators : { etag: "", lastModified: "" },
      cdnStatus: "WAITING",
      pieceSums: [],
      realMd5: "",
      createdMs: now(),
      lastAccessMs: steadyNow(),
    };
    store.addTask(task);
    observer.taskRegistered(length);
    log.info("new task {task}: {url}, {length} bytes", {
      task: id,
      url: redactUrl(request.rawUrl),
      length,
    });
    return task;
  }
}

/** Whether the source has another file now than the one a task was made of. */
function hasChanged(task: Task, probe: Probe): boolean {
  if (probe.kind !== "found" || probe.length < 0) return false;
  // A task begun while the source could not be reached learns its length when it is begun anew.
  if (task.length < 0) return hasFailed(task);
  if (probe.length !== task.length) return true;
  // The URL of a blob says what is in it, whatever its servers call the version.
  if (blobDigest(task.taskUrl)) return false;
  const says = ({ etag, lastModified }: Validators) => etag !== "" || lastModified !== "";
  return (
    says(task.validators) &&
    says(probe.validators) &&
    !isSameVersion(task.validators, probe.validators)
  );
}
