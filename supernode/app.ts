import { join } from "node:path";
import type { Hono } from "hono";
import { filterUrl } from "../protocol/filter_url.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { RateLimiter } from "../runtime/rate_limit/rate_limiter.ts";
import type { ConnectionEnv } from "../runtime/serve.ts";
import { SupernodeViews } from "./control/views.ts";
import { SILENT, type SupernodeObserver } from "./observer.ts";
import type { Prefetch } from "./preheat/file.ts";
import { filePortRoutes } from "./routes/file_port.ts";
import { legacyRoutes } from "./routes/legacy.ts";
import { swarmRoutes } from "./routes/swarm.ts";
import { DEFAULT_LIMITS, type ScheduleLimits } from "./schedule/v1/limits.ts";
import type { TaskSchedule } from "./schedule/v1/task_schedule.ts";
import { SeedCache } from "./seed/cache.ts";
import { PathPass } from "./seed/path_pass.ts";
import { ReadAhead } from "./seed/read_ahead.ts";
import { Seeder } from "./seed/seeder.ts";
import { sourceGuard } from "./seed/source_guard.ts";
import { V1Sums } from "./seed/v1_sums.ts";
import { type GivingWay, giveWay } from "./shared/give_way.ts";
import type { Ledger } from "./shared/ledger.ts";
import { OtherSupernodes } from "./shared/other_supernodes.ts";
import type { OwnerClient } from "./shared/owner_client.ts";
import { Ownership } from "./shared/ownership.ts";
import { prefetchElsewhere } from "./shared/preheat_elsewhere.ts";
import { keyOfTask } from "./shared/task_key.ts";
import { SwarmDesk } from "./swarm/swarm_desk.ts";
import type { MemberState, SwarmLoad } from "./swarm/swarm_state.ts";
import { ClientDesk, type PieceErrorReport } from "./tasks/client_desk.ts";
import { type RegisterOptions, Registry } from "./tasks/register.ts";
import { SourceAccess } from "./tasks/task.ts";
import { TaskStore } from "./tasks/task_store.ts";

/** What the core of a supernode must know; see `settings.ts` for each value's meaning. */
export interface CoreConfig {
  cdnPattern: "local" | "source";
  /** The file port's root is `repo` in it. */
  homeDir: string;
  downloadPort: number;
  advertiseIp: string;
  peerUpLimit: number;
  peerDownLimit: number;
  eliminationLimit: number;
  failureCountLimit: number;
  failAccessIntervalMs: number;
  /** Bytes a second; 0: no limit. */
  maxBandwidth: number;
  /** Bytes a second. */
  systemReservedBandwidth: number;
  /** Downloads from sources at once. */
  schedulerCorePoolSize: number;
  hostAliases: Readonly<Record<string, string>>;
  /** See `seed/source_guard.ts`; none: any. */
  allowedSources?: readonly string[];
}

/** What of it may change while the supernode runs. */
export type CoreLimits = Pick<
  CoreConfig,
  | "peerUpLimit"
  | "peerDownLimit"
  | "eliminationLimit"
  | "failureCountLimit"
  | "failAccessIntervalMs"
  | "maxBandwidth"
  | "systemReservedBandwidth"
  | "schedulerCorePoolSize"
>;

export interface SupernodeOptions {
  config: CoreConfig;
  observer?: SupernodeObserver;
  /** ms since the epoch. */
  now?: () => number;
  /** A clock that nobody sets, ms. */
  steadyNow?: () => number;
  /** Uniform in [0, 1). */
  random?: () => number;
  /** Other supernodes, and what they know together with this one; absent: it is for itself. */
  shared?: { ledger: Ledger; owners: OwnerClient; self: () => string } | undefined;
}

type App = Hono<{ Bindings: Partial<ConnectionEnv> }>;

/** A supernode without its servers: mount its routes, tell it where they listen. */
export interface Supernode {
  readonly store: TaskStore;
  readonly cache: SeedCache;
  /** What operators see of it. */
  readonly views: SupernodeViews;
  /** The routes by which clients download; mount them also under a version prefix. */
  readonly legacy: App;
  /** The routes of our own swarm. */
  readonly swarm: App;
  /** The routes of the file port. */
  readonly filePort: App;
  /** Says on which ports the routes are served, where the configuration left them open. */
  listening(ports: { listenPort?: number; downloadPort: number }): void;
  /** Resolves when our copy of a file is complete; rejects with the reason where it cannot be had. */
  prefetch: Prefetch;
  /** Which tasks are ours, where several supernodes share them. */
  readonly ownership: Ownership | undefined;
  /** For those who look on: how a member of a swarm is doing; `undefined` for a v1 client. */
  member(taskId: string, cid: string): MemberState | undefined;
  /** What v1's schedule knows of a client. */
  holdings(taskId: string, cid: string): ReturnType<TaskSchedule["holdings"]>;
  /** Downloads from sources that run, and that wait for their turn. */
  downloads(): { running: number; waiting: number };
  /** What the swarms are at. */
  swarmLoad(): SwarmLoad;
  /** Takes other limits, for tasks and downloads under way too. */
  adjust(limits: CoreLimits): void;
  /** A peer handed out a bad piece, or none. */
  pieceError(report: PieceErrorReport): void;
  /** Takes no new clients from now on (they try the next supernode), or takes them again. */
  drain(draining: boolean): void;
  /** Ends downloads from sources; what is on disk stays. */
  close(): Promise<void>;
}

/** Puts the parts of a supernode together. */
export function createSupernode(options: SupernodeOptions): Supernode {
  const { config, observer = SILENT, now = Date.now, random = Math.random, shared } = options;
  const { steadyNow = () => performance.now() } = options;
  let { downloadPort } = config;
  const store = new TaskStore(steadyNow, now);
  const schedules = new Map<string, TaskSchedule>();
  const cache = new SeedCache(join(config.homeDir, "repo"));
  const passes = new PathPass(() => performance.now());
  const http = new HttpClient({
    hostAliases: config.hostAliases,
    guard: sourceGuard(config.allowedSources ?? []),
  });
  const limiter = new RateLimiter(sourceRate(config));
  // One that is alone finds what its copy has on its disk when it is started again.
  const readAhead: ReadAhead | undefined = shared
    ? new ReadAhead(() => ownership?.isSure ?? true)
    : undefined;
  const seeder = new Seeder({
    cache,
    http,
    limiter,
    maxDownloads: config.schedulerCorePoolSize,
    readAhead,
    observer,
  });
  const swarms = new SwarmDesk({
    store,
    schedules,
    steadyNow,
    random,
    observer,
    passes,
    readAhead,
    begunElsewhere: (task) => ownership?.begunElsewhere(keyOfTask(task)) ?? false,
    advertiseIp: config.advertiseIp,
    downloadPort: () => downloadPort,
  });
  const ownership: Ownership | undefined =
    shared && readAhead && ownershipOf(shared, { store, swarms, readAhead, steadyNow });
  store.onRemoval({
    clientRemoved: ({ taskId, cid }) => {
      swarms.leave(taskId, cid);
      schedules.get(taskId)?.leave(cid);
    },
    taskRemoved: ({ id, cdnStatus }) => {
      seeder.stop(id);
      readAhead?.forget(id);
      // From now on its copy is idle. Nobody waits for this, and it cannot fail.
      if (cdnStatus === "SUCCESS") void cache.touch(id);
      schedules.delete(id);
    },
  });
  // The schedules and the registry look at these each time they need them.
  const limits = scheduleLimits(config);
  const registryOptions: RegisterOptions = {
    cdnSource: config.cdnPattern === "source" ? "source" : "supernode",
    store,
    schedules,
    seeder,
    swarms,
    http,
    limits,
    draining: false,
    failAccessIntervalMs: config.failAccessIntervalMs,
    observer,
    now,
    steadyNow,
    random,
  };
  const registry = new Registry(registryOptions);
  const desk = new ClientDesk({
    store,
    schedules,
    seeder,
    v1Sums: new V1Sums(cache),
    observer,
    steadyNow,
    passes,
    advertiseIp: config.advertiseIp,
    downloadPort: () => downloadPort,
  });
  const others =
    shared && ownership
      ? new OtherSupernodes({
          ownership,
          owners: shared.owners,
          local: registry,
          now: () => performance.now(),
        })
      : undefined;
  const prefetch: Prefetch = async (file) => {
    const { task, schedule } = await registry.task({
      rawUrl: file.url,
      taskUrl: filterUrl(file.url, file.filter),
      md5: "",
      identifier: file.identifier,
      access: new SourceAccess(file.headers, file.tls),
    });
    readAhead?.free(task.id);
    await seeder.seed(task, schedule);
  };
  swarms.start();
  return {
    ownership,
    store,
    cache,
    views: new SupernodeViews({ store, schedules, swarms, now, steadyNow }),
    legacy: legacyRoutes({ registry, desk, observer, others }),
    swarm: swarmRoutes(swarms, others),
    filePort: filePortRoutes({ cache, passes, observer, readAhead }),
    listening(ports) {
      downloadPort = ports.downloadPort;
    },
    prefetch:
      shared && ownership ? prefetchElsewhere(prefetch, ownership, shared.owners) : prefetch,
    member: (taskId, cid) => swarms.look(taskId, cid),
    holdings: (taskId, cid) => schedules.get(taskId)?.holdings(cid),
    downloads: () => seeder.load,
    swarmLoad: () => swarms.load,
    adjust(changed) {
      Object.assign(limits, scheduleLimits(changed));
      registryOptions.failAccessIntervalMs = changed.failAccessIntervalMs;
      limiter.setRate(sourceRate(changed));
      seeder.setMaxDownloads(changed.schedulerCorePoolSize);
    },
    pieceError: (report) => desk.pieceError(report),
    drain(draining) {
      registryOptions.draining = draining;
    },
    async close() {
      swarms.stop();
      await seeder.close();
      http.close();
    },
  };
}

/** Which of the tasks in a store are ours, of those that other supernodes have, too. */
function ownershipOf(
  { ledger, owners, self }: NonNullable<SupernodeOptions["shared"]>,
  parts: GivingWay,
): Ownership {
  return new Ownership({
    ledger,
    self,
    keys: () => [...parts.store.tasks()].map(keyOfTask),
    lost: (key, owner) => {
      for (const task of [...parts.store.tasks()])
        if (keyOfTask(task) === key) giveWay(parts, task, owner);
    },
    answers: (owner) => owners.answers(owner),
    now: () => performance.now(),
  });
}

/** Bytes a second of all downloads from sources together; 0: no limit. */
function sourceRate({ maxBandwidth, systemReservedBandwidth }: CoreLimits): number {
  return maxBandwidth > 0 ? Math.max(1, maxBandwidth - systemReservedBandwidth) : 0;
}

function scheduleLimits(limits: CoreLimits): ScheduleLimits {
  return {
    peerDownLimit: limits.peerDownLimit,
    peerUpLimit: limits.peerUpLimit,
    eliminationLimit: limits.eliminationLimit,
    failureCountLimit: limits.failureCountLimit,
    sourceFetchLimit: Math.max(DEFAULT_LIMITS.sourceFetchLimit, limits.peerDownLimit),
  };
}
