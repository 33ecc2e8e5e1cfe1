import { hostname } from "node:os";
import { Hono } from "hono";
import { ConfigError } from "../runtime/config_error.ts";
import { makeDirectory } from "../runtime/files.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { openLinks } from "../runtime/links/links.ts";
import { firstAddress } from "../runtime/local_address.ts";
import { getLogger } from "../runtime/logger.ts";
import { makeSureWritable, whyNotWritable } from "../runtime/make_sure_writable.ts";
import { type ConnectionEnv, type RunningServer, serve } from "../runtime/serve.ts";
import { logUnforeseen } from "../runtime/unforeseen_error.ts";
import { answerUnknownPaths } from "../runtime/unknown_paths.ts";
import { runtimeName, VERSION } from "../runtime/version.ts";
import { WritableFolder } from "../runtime/writable_folder.ts";
import { createSupernode } from "./app.ts";
import { GarbageCollector } from "./collect_garbage.ts";
import { RELOADED_SETTINGS, settingsForRestart } from "./config.ts";
import { ConsoleAccess } from "./console/access.ts";
import { Feed } from "./console/feed.ts";
import { Recorder } from "./console/recorder.ts";
import { consoleRoutes } from "./console/routes.ts";
import { ViewBuilder } from "./console/view.ts";
import { CallBack } from "./control/call_back.ts";
import { describePreheat } from "./control/preheat_view.ts";
import { removeTask, supernodeStatus } from "./control/supernode_status.ts";
import { SupernodeMetrics } from "./metrics.ts";
import { observers } from "./observer.ts";
import { OurNames } from "./our_names.ts";
import { PreheatJobs } from "./preheat/preheat.ts";
import { apiV1Routes } from "./routes/api_v1.ts";
import { controlRoutes } from "./routes/control.ts";
import { refuseOtherSites } from "./routes/other_sites.ts";
import { preheatRoutes } from "./routes/preheat.ts";
import { systemRoutes } from "./routes/system.ts";
import { sourceGuard } from "./seed/source_guard.ts";
import { type SupernodeConfig, withDefaults } from "./settings.ts";
import { OwnerClient } from "./shared/owner_client.ts";
import { type Sharing, whyAlone } from "./shared/ownership.ts";
import { openRedisLedger } from "./shared/redis_ledger.ts";
import { swarmKey } from "./swarm/swarm.ts";

/** Bytes of any body at most; each route has its own, smaller limit. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** How long requests in flight may go on once the supernode stops: it must be gone in 5 s. */
const DRAIN_MS = 3000;
/** Also legacy and system routes answer below a version, `/v1.0/_ping` (protocol §1). */
const VERSION_PREFIX = "/:version{v[0-9.]+}";

/** What comes of a home directory that cannot be written any more. */
const WITHOUT_COPIES = {
  short: "no copies",
  until:
    "nodes fetch from the source, each byte once between them, until that is mended; preheats fail",
};

const log = getLogger("supernode");

type Env = { Bindings: Partial<ConnectionEnv> };

export interface RunningSupernode {
  listenIp: string;
  /** Port of the API. */
  listenPort: number;
  /** Port of our copies; `listenPort` where one server has both. */
  downloadPort: number;
  advertiseIp: string;
  /**
   * Takes what a running supernode can of another configuration: `RELOADED_SETTINGS`, and certificates.
   * Downloads under way go on.
   *
   * @returns the keys of what has changed and waits for a restart
   * @throws {ConfigError} for certificates or a secret that cannot be used: nothing is changed then
   */
  reload(given: SupernodeConfig): Promise<string[]>;
  /** Stops accepting, lets requests in flight end for `graceMs` (default 3000), then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Makes sure that the working directory is there and can be written.
 *
 * @throws {ConfigError} when not
 */
export async function prepareHome({ homeDir }: SupernodeConfig): Promise<void> {
  try {
    await makeDirectory(homeDir);
    await makeSureWritable(homeDir);
  } catch (error) {
    throw new ConfigError(
      `working directory ${homeDir}: ${whyNotWritable(error as Error)} (base.homeDir, or the flag --home-dir, names another)`,
    );
  }
}

/**
 * Starts a supernode in this process.
 *
 * @throws {ConfigError} when the working directory or a certificate cannot be used, {ListenError} for a
 *   taken port
 */
export async function startSupernode(
  given: Partial<SupernodeConfig> = {},
): Promise<RunningSupernode> {
  const asked = withDefaults(given);
  const config = { ...asked, advertiseIp: asked.advertiseIp || firstAddress() };
  await prepareHome(config);
  const links = await openLinks(config, log);
  const metrics = new SupernodeMetrics();
  const client = new HttpClient({
    hostAliases: config.hostAliases,
    guard: sourceGuard(config.allowedSources),
  });
  const recorder = new Recorder(Date.now);
  // No guard, and no aliases: it asks nobody but who has asked, and other supernodes.
  const caller = new HttpClient({ links });
  let apiPort = config.listenPort;
  const self = () => `${config.advertiseIp}:${apiPort}`;
  const ledger = config.state && (await openRedisLedger(config.state, config.cdnPattern));
  const core = createSupernode({
    config,
    observer: observers(metrics, recorder),
    shared: ledger ? { ledger, owners: new OwnerClient(caller, self), self } : undefined,
  });
  metrics.gauges.watch(core);
  const folder = new WritableFolder(core.cache.root, WITHOUT_COPIES, log);
  metrics.gauges.watchCache(() => folder.whyUnusable());
  metrics.gauges.watchSharing(() => core.ownership?.sharing);
  metrics.gauges.watchCertificates(() =>
    links?.proof.kind === "tls" ? links.proof.certificates : {},
  );
  const jobs = new PreheatJobs({ prefetch: core.prefetch, client, now: Date.now });
  const feed = new Feed({
    build: () => builder.build(),
    history: recorder.history,
    now: Date.now,
  });
  let draining = false;
  const builder = new ViewBuilder({
    isDraining: () => draining,
    facts: {
      version: VERSION,
      runtime: runtimeName(),
      host: hostname(),
      address: config.advertiseIp,
      cdnPattern: config.cdnPattern,
      startedMs: Date.now(),
    },
    store: core.store,
    recorder,
    preheats: () => jobs.list(),
    member: core.member,
    holdings: core.holdings,
    fileOf: swarmKey,
    now: Date.now,
    steadyNow: () => performance.now(),
  });
  let notReady: string | undefined;
  const startedMs = performance.now();
  const callBack = new CallBack(caller);

  const system = systemRoutes({
    metrics: { contentType: metrics.registry.contentType, text: () => metrics.registry.metrics() },
    notReady: () => notReady ?? (draining ? "draining" : undefined),
    remark: async () =>
      [sharingRemark(core.ownership?.sharing), copiesRemark(await folder.whyUnusable())]
        .filter((remark) => remark !== undefined)
        .join("\n") || undefined,
    profiler: config.enableProfiler || config.debug,
  });
  const api = new Hono<Env>();
  api.use(metrics.middleware);
  api.use(refuseOtherSites(new OurNames(config.console.names)));
  for (const prefix of ["/", VERSION_PREFIX]) {
    api.route(prefix, core.legacy);
    api.route(prefix, system);
  }
  api.route("/", core.swarm);
  api.route("/api/v1", apiV1Routes({ store: core.store, pieceError: core.pieceError }));
  api.route(
    "/",
    controlRoutes({
      views: core.views,
      status: async () => {
        const noCopies = await folder.whyUnusable();
        return supernodeStatus({ core, jobs, config, noCopies, draining, startedMs });
      },
      preheat: (id) => describePreheat(jobs, core.store, id),
      isBusy: (taskId) => core.views.activeClients(taskId) > 0,
      remove: (taskId) => removeTask(core, taskId),
      drain(on) {
        draining = on;
        core.drain(on);
        // Others take over what it has.
        void core.ownership?.leave(on);
        log.info(on ? "draining: no new work is taken" : "draining has ended");
      },
      reach: (address, port) => callBack.reach(address, port),
      adminClients: config.adminClients,
    }),
  );
  const preheat = preheatRoutes(jobs, () => draining);
  api.route("/", preheat);
  api.route("/api/v1", preheat);
  if (config.console.enabled) {
    const access = new ConsoleAccess(config.console);
    api.route(
      "/",
      consoleRoutes({
        access,
        feed,
        isDraining: () => draining,
        preheat: (request) => jobs.create(request),
      }),
    );
  }
  const files = new Hono<Env>();
  const oneServer = config.downloadPort === config.listenPort;
  (oneServer ? api : files).route("/", core.filePort);
  for (const app of [api, files]) {
    answerUnknownPaths(app);
    app.onError((error, c) => {
      logUnforeseen(log, c.req, error);
      return c.json({ code: 500, message: "internal error" }, 500);
    });
  }

  const servers: RunningServer[] = [];
  const close = async (graceMs = DRAIN_MS) => {
    notReady = "stopping";
    collector.stop();
    recorder.stop();
    feed.close();
    await core.ownership?.stop();
    await Promise.all(servers.map((server) => server.close(graceMs)));
    await core.close();
    client.close();
    caller.close();
    links?.close();
  };
  const collector = new GarbageCollector({
    config,
    store: core.store,
    cache: core.cache,
    observer: metrics,
    now: Date.now,
    steadyNow: () => performance.now(),
  });
  const reload = async (next: SupernodeConfig) => {
    await links?.reread();
    for (const name of RELOADED_SETTINGS) config[name] = next[name];
    core.adjust(config);
    return settingsForRestart(asked, next);
  };
  const listen = async (app: Hono<Env>, port: number) => {
    const server = await serve({
      fetch: app.fetch,
      hostname: config.listenIp,
      port,
      links,
      maxBodyBytes: MAX_BODY_BYTES,
    });
    servers.push(server);
    return server.port;
  };
  try {
    const listenPort = await listen(api, config.listenPort);
    const downloadPort = oneServer ? listenPort : await listen(files, config.downloadPort);
    apiPort = listenPort;
    core.listening({ downloadPort });
    await core.ownership?.start();
    collector.start();
    if (config.console.enabled) recorder.start();
    // The log has it from the beginning, and not when somebody asks first.
    void folder.whyUnusable();
    const { listenIp, advertiseIp } = config;
    return { listenIp, listenPort, downloadPort, advertiseIp, reload, close };
  } catch (error) {
    await close(0);
    throw error;
  }
}

/** What who asks whether the supernode is ready is to know besides: work may be sent here all the same. */
function sharingRemark(sharing: Sharing | undefined): string | undefined {
  const reason = whyAlone(sharing);
  return reason && `alone: ${reason}`;
}

/** The same of a disk on which no copies can be written. */
function copiesRemark(reason: string | undefined): string | undefined {
  return reason && `no copies: ${reason}`;
}
