import { startPeer as defaultStartPeer, type Peer, type PeerOptions } from "../peer/mod.ts";
import { ConfigError } from "../runtime/config_error.ts";
import { freeBytes } from "../runtime/files.ts";
import { HttpClient } from "../runtime/http_client.ts";
import type { Links } from "../runtime/links/links.ts";
import { Refusals } from "../runtime/links/refusals.ts";
import { LINK_KEYS } from "../runtime/links/settings.ts";
import { ListenError } from "../runtime/listen_error.ts";
import { getLogger } from "../runtime/logger.ts";
import { changedKeys } from "../runtime/reload.ts";
import { type RunningServer, serve } from "../runtime/serve.ts";
import { rereadSystemTrust } from "../runtime/system_trust.ts";
import { watchFiles } from "../runtime/watch_files.ts";
import { WritableFolder } from "../runtime/writable_folder.ts";
import { onlyAllowedClients } from "./allowed_clients.ts";
import { createDispatcher } from "./app.ts";
import type { BlobOptions } from "./blob.ts";
import { keysForRestart } from "./config.ts";
import { createConnectHandler, type HijackedConnections } from "./connect.ts";
import { expiredOnes, type LoadedConfig, loadReferences, referencedFiles } from "./credentials.ts";
import { createEndpoints } from "./endpoints.ts";
import { createImpersonator } from "./impersonate.ts";
import { createMetrics } from "./metrics.ts";
import { OwnAddress } from "./own_address.ts";
import { type NodePeerOptions, readPeerOptions } from "./peer_options.ts";
import type { ProxyConfig } from "./settings.ts";

/** As long as Go's dialer, which clients without a proxy use, waits for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;
const DRAIN_MS = 3000;
/** What comes of a cache that cannot be written. */
const WITHOUT_CACHE = {
  short: "no p2p",
  until: "what is not there yet comes straight from its registry, until that is mended",
};
/** What the peer is started with and keeps. */
const PEER_FOR_RESTART = ["ip", "port", "dataDir", "expireMs", "zone", "callSystem"] as const;

const log = getLogger("dfdaemon");

export interface ProxyOptions extends Pick<BlobOptions, "openTimeoutMs" | "stallTimeoutMs"> {
  config: ProxyConfig;
  /** Milliseconds between two looks at certificates and keys; default: see {@link watchFiles}. */
  lookMs?: number;
  /** … and between two at this host's address; default: see {@link OwnAddress}. */
  addressLookMs?: number;
  /** Default: what {@link readPeerOptions} makes of the configuration. */
  peerOptions?: NodePeerOptions;
  /** Starts the peer; another one than ours may be put in its place. */
  startPeer?: (options: PeerOptions) => Promise<Peer>;
}

export interface RunningProxy {
  hostname: string;
  port: number;
  /** Absent where it could not be started: everything goes straight then. */
  peer: Peer | undefined;
  /**
   * Takes what a running dfdaemon can of another configuration: rules, certificates, limits and
   * supernodes. Requests in flight go on by the old one.
   *
   * @returns the keys of what has changed and waits for a restart
   * @throws {ConfigError} for one that cannot be used: the old one stays
   */
  reload(config: ProxyConfig, peerOptions?: NodePeerOptions): Promise<string[]>;
  /** Stops accepting, lets what is in flight end for `graceMs` (default 3000), then cuts it. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Starts dfdaemon in this process: the proxy, the registry mirror, and the peer they share.
 *
 * @throws {ConfigError} for files that are missing or do not fit, {ListenError} for a taken port
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config } = options;
  let current = config;
  let loaded = await loadReferences(config);
  const { identity } = loaded;
  let { rules, impersonator } = inEffect(loaded);
  const settings = options.peerOptions ?? (await readPeerOptions(config));
  const metrics = createMetrics();
  const client = new HttpClient({
    maxSockets: 1024,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    hostAliases: config.hostAliases,
  });
  const peer = await startSomePeer(options.startPeer ?? defaultStartPeer, {
    ...settings,
    onBytes: metrics.countBytes,
    onServed: metrics.countServed,
  });
  if (peer) {
    metrics.watch(peer);
    metrics.watchDisk(() => freeBytes(settings.dataDir));
  }
  const showCertificates = () =>
    metrics.showCertificates(certificatesInUse(loaded, peer?.links, identity !== undefined));
  showCertificates();
  const warnOfExpired = () => {
    for (const what of expiredOnes(loaded, Date.now())) log.warn("{what}", { what });
  };
  warnOfExpired();
  const { proof } = peer?.links ?? {};
  if (proof?.kind === "tls") proof.onRenewed(showCertificates);
  const hijacked: HijackedConnections = new WeakMap();
  let stopping = false;
  const cache = new WritableFolder(settings.dataDir, WITHOUT_CACHE, log);
  const notReady = async () => {
    if (stopping) return "stopping";
    const why = peer ? await cache.whyUnusable() : "no peer";
    return why && `${why}: everything goes straight to the registry`;
  };
  metrics.watchReadiness(notReady);
  const endpoints = createEndpoints({
    ...{ metrics, notReady, peer },
    ...{ args: process.argv, env: process.env },
  });
  let server: RunningServer;
  try {
    server = await serve({
      fetch: (request) => endpoints.fetch(request),
      hostname: config.hostIp,
      port: config.port,
      tls: identity,
      // What is pushed through us may be long, and its sender slow.
      requestTimeoutMs: 0,
      ...onlyAllowedClients(
        { ranges: config.allowedClients, hijacked, refusals: new Refusals(log) },
        {
          onRequest: createDispatcher({
            ...options,
            get rules() {
              return rules;
            },
            hijacked,
            client,
            peer,
            metrics,
            log,
          }),
          onConnect: createConnectHandler({
            get rules() {
              return rules;
            },
            get impersonator() {
              return impersonator;
            },
            hijacked,
            adopt: (socket) => server.adopt(socket),
            hostAliases: config.hostAliases,
            log,
          }),
        },
      ),
    });
  } catch (error) {
    await peer?.close();
    throw error;
  }
  log.info("listening on {scheme}://{hostname}:{port}", {
    scheme: identity ? "https" : "http",
    hostname: server.hostname,
    port: server.port,
  });
  // Who has made a mistake hears of it now, and not with the first pull.
  if (peer) void cache.whyUnusable();
  void lookForSupernodes(config, settings, peer?.links);
  const ownAddress =
    peer && settings.chosen
      ? new OwnAddress({
          ...{ peer, chosen: settings.chosen, log, lookMs: options.addressLookMs },
          // What waits to be used again was opened from the address before, and would hang.
          onMoved: () => client.closeIdle(),
        })
      : undefined;
  const take = (next: LoadedConfig) => {
    loaded = next;
    ({ rules, impersonator } = inEffect(next));
    if (identity && next.identity) server.setCertificate(next.identity);
    showCertificates();
    warnOfExpired();
  };
  const watch = watchFiles(
    () => referencedFiles(current).map(({ path }) => path),
    async () => {
      const known = current;
      try {
        const next = await loadReferences(known);
        // Another configuration was read meanwhile, and its files with it.
        if (known !== current) return;
        take(next);
        log.info("certificates read again");
      } catch (error) {
        const reason = (error as Error).message;
        log.error("certificates not taken, the old ones stay: {reason}", { reason });
      }
    },
    options.lookMs,
  );
  return {
    hostname: server.hostname,
    port: server.port,
    peer,
    async reload(next, nextPeer) {
      const references = await loadReferences(next);
      const nextSettings = nextPeer ?? (await readPeerOptions(next));
      await peer?.links?.reread();
      current = next;
      take(references);
      rereadSystemTrust();
      peer?.adjust(nextSettings);
      // One that was configured stays until a restart.
      const follows = settings.chosen !== undefined && nextSettings.chosen !== undefined;
      if (follows) await ownAddress?.follow(nextSettings.chosen);
      const kept = PEER_FOR_RESTART.filter((name) => name !== "ip" || !follows);
      return [
        ...keysForRestart(config, next),
        ...(changedKeys(kept, settings, nextSettings).length > 0 ? ["dfget_flags"] : []),
        ...changedKeys(LINK_KEYS, settings.links ?? {}, nextSettings.links ?? {}),
      ];
    },
    async close(graceMs = DRAIN_MS) {
      stopping = true;
      watch.close();
      ownAddress?.close();
      await server.close(graceMs);
      await peer?.close();
      client.close();
    },
  };
}

function inEffect({ rules, impersonation }: LoadedConfig) {
  return { rules, impersonator: impersonation && createImpersonator(impersonation) };
}

/** Certificates as PEM, by the keys of the configuration that name them. */
function certificatesInUse(
  { identity, impersonation }: LoadedConfig,
  links: Links | undefined,
  byTls: boolean,
) {
  return {
    certpem: byTls ? identity?.cert : undefined,
    "hijack_https.cert": impersonation?.cert,
    ...(links?.proof.kind === "tls" ? links.proof.certificates : {}),
  };
}

/** The peer, on another port where its own is taken, or none: pulls must work all the same. */
async function startSomePeer(
  start: (options: PeerOptions) => Promise<Peer>,
  settings: PeerOptions,
): Promise<Peer | undefined> {
  try {
    const peer = await start(settings).catch((error: Error) => {
      if (!(error instanceof ListenError) || settings.port === 0) throw error;
      log.warn("peer server takes another port: {error}", { error: error.message });
      return start({ ...settings, port: 0 });
    });
    const { ip, port } = peer;
    log.info("peer server on {ip}:{port}, files in {dataDir}", {
      ip,
      port,
      dataDir: settings.dataDir,
    });
    return peer;
  } catch (error) {
    // An address that is not ours is a mistake to be mended; a full disk will pass.
    if (error instanceof ListenError) throw new ConfigError(`peer server: ${error.message}`);
    if (error instanceof ConfigError) throw error;
    log.error("no p2p until restarted, the peer cannot start: {error}", {
      error: (error as Error).message,
    });
    return undefined;
  }
}

/** Says once which supernodes are not there: that is no error, but somebody may want to know. */
async function lookForSupernodes(
  { hostAliases }: ProxyConfig,
  settings: PeerOptions,
  links: Links | undefined,
): Promise<void> {
  if (settings.supernodes.length === 0) {
    log.warn("no supernode is configured: every blob comes from its registry");
  }
  const client = new HttpClient({
    connectTimeoutMs: 2000,
    idleTimeoutMs: 2000,
    hostAliases,
    links,
  });
  await Promise.all(
    settings.supernodes.map(async ({ host, port }) => {
      const warn = (how: string) => {
        const message = "supernode {host}:{port} {how}; blobs come from their registry so far";
        log.warn(message, { host, port, how });
      };
      try {
        const init = { fresh: true, own: true };
        const { status, text } = await client.text(`http://${host}:${port}/_ping`, init);
        if (status === 401) warn(`refuses us: ${text.trim()}`);
      } catch (error) {
        warn(`does not answer (${(error as Error).message})`);
      }
    }),
  );
  client.close();
}
