import type { HttpClient } from "../../runtime/http_client.ts";
import type { Links } from "../../runtime/links/links.ts";
import { ListenError } from "../../runtime/listen_error.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import { type FetchHandler, type RunningServer, serve } from "../../runtime/serve.ts";
import type { Catalog, CatalogEntry } from "../store/catalog.ts";
import { EXPIRE_MS, expired } from "../store/expiry.ts";
import type { SupernodeList } from "../supernode/supernode_list.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { peerServerApp } from "./app.ts";
import type { HostLimit } from "./local_control.ts";

export interface PeerServerSettings {
  catalog: Catalog;
  ip: string;
  /** 0: the first free one of 15000…65000. */
  port: number;
  expireMs: number;
  /** Milliseconds without a request after which {@link onIdle} is called; 0: never. */
  aliveMs: number;
  limit: HostLimit;
  /** On what all other peers together are given. Default: none. */
  upload?: RateLimiter | undefined;
  supernodes: SupernodeList;
  http: HttpClient;
  /** Who may ask; absent: anybody. */
  links?: Links | undefined;
  onIdle?: () => void;
  onServed?: ((bytes: number) => void) | undefined;
  /** Our own swarms; absent: v1's routes only. */
  swarms?: SwarmSessions | undefined;
}

export interface PeerServer {
  readonly ip: string;
  readonly port: number;
  /**
   * Serves on another address, and no more on the one before.
   *
   * @throws {ListenError}
   */
  moveTo(ip: string): Promise<void>;
  /** Tells the supernode that a file is not served any more as it was told; it stays here. Never throws. */
  retract(entry: CatalogEntry): Promise<void>;
  /** Stops serving. */
  close(): Promise<void>;
  /** Deletes a file that is not on disk what it was, and tells the supernode meanwhile. */
  dropDamaged(name: string): void;
  /** Tells the supernodes that this node serves none of its files any more, and deletes them. */
  withdrawAll(): Promise<void>;
}

/** Milliseconds for answers under way when it stops. */
const GRACE_MS = 500;
/** Bytes of a body at most: nothing here takes one. */
const MAX_BODY_BYTES = 64 * 1024;
/** Ports a peer may serve on (protocol §1). */
const PORTS = { first: 15000, last: 65000 };

const log = getLogger("dfserver");

/**
 * Serves this node's files to other peers, and deletes those that nobody has used for a while, after
 * telling the supernode so (protocol §2).
 *
 * @throws {ListenError} when the port is taken
 */
export async function startPeerServer(settings: PeerServerSettings): Promise<PeerServer> {
  const { catalog } = settings;
  let lastRequestMs = performance.now();
  const app = peerServerApp({
    catalog,
    onDamaged: ({ name }) => dropDamaged(name),
    limit: settings.limit,
    upload: settings.upload,
    onRequest: () => {
      lastRequestMs = performance.now();
    },
    onServed: settings.onServed,
    swarms: settings.swarms,
  });
  let { ip } = settings;
  let server = await listen(settings, app.fetch);

  const tellSupernode = async ({ name, taskId, cid, supernode: of }: CatalogEntry) => {
    if (!taskId || !cid || !of) return;
    const supernode = settings.supernodes.named(of, settings.http);
    await supernode?.reportServiceDown(taskId, cid).catch((error: Error) => {
      log.info("{name}: {error}", { name, error: error.message });
    });
  };
  const withdraw = async (name: string) => {
    const entry = catalog.get(name);
    if (!entry) return;
    settings.swarms?.leave(name);
    await tellSupernode(entry);
    await catalog.remove(entry);
  };
  /** Others must not wait for it to be told, and those who listen to what is here hear that it has ended. */
  const dropDamaged = (name: string) => {
    const entry = catalog.get(name);
    if (!entry) return;
    log.warn("{name} is damaged on disk; dropping it", { name });
    settings.swarms?.leave(name);
    const dropping = [catalog.remove(entry), tellSupernode(entry)];
    for (const step of dropping) {
      step.catch((error: Error) => log.warn("{name}: {error}", { name, error: error.message }));
    }
  };

  let sweeping = false;
  const sweep = async () => {
    if (sweeping) return;
    sweeping = true;
    try {
      const ages = await Promise.all(
        [...catalog.entries()].map(async (entry) => ({
          name: entry.name,
          users: entry.users,
          lastUseMs: await catalog.lastUse(entry),
        })),
      );
      for (const { name } of expired(ages, Date.now(), settings.expireMs)) {
        log.info("{name} has expired", { name });
        // Where the disk takes no changes it stays; the others have their turn all the same.
        await withdraw(name).catch((error: Error) => {
          log.warn("{name}: {error}", { name, error: error.message });
        });
      }
      for (const { name, file } of [...catalog.entries()]) {
        if (!file || file.closed || !(await file.isTamperedWith())) continue;
        dropDamaged(name);
      }
      await catalog.saveIndexes();
      await catalog.removeWaste(Date.now() - Math.max(settings.expireMs, EXPIRE_MS));
      if (settings.aliveMs > 0 && performance.now() - lastRequestMs >= settings.aliveMs)
        settings.onIdle?.();
    } finally {
      sweeping = false;
    }
  };
  const shortest =
    settings.aliveMs > 0 ? Math.min(settings.aliveMs, settings.expireMs) : settings.expireMs;
  const timer = setInterval(sweep, Math.min(Math.max(shortest / 4, 100), 10_000));
  timer.unref();

  log.info("serving pieces on {ip}:{port}", { ip: settings.ip, port: server.port });
  return {
    get ip() {
      return ip;
    },
    get port() {
      return server.port;
    },
    async moveTo(next) {
      const before = server;
      server = await listen({ ...settings, ip: next, port: before.port }, app.fetch);
      ip = next;
      log.info("serving pieces on {ip}:{port}", { ip, port: server.port });
      // Nobody can reach it there; who is being served still has its last bytes.
      void before.close(GRACE_MS);
    },
    async retract(entry) {
      entry.announced = false;
      settings.swarms?.leave(entry.name);
      await tellSupernode(entry);
    },
    async close() {
      clearInterval(timer);
      await server.close(GRACE_MS);
    },
    dropDamaged,
    async withdrawAll() {
      for (const entry of [...catalog.entries()]) await withdraw(entry.name);
    },
  };
}

async function listen(
  { ip, port, links }: PeerServerSettings,
  fetch: FetchHandler,
): Promise<RunningServer> {
  const options = { fetch, links, hostname: ip, maxBodyBytes: MAX_BODY_BYTES };
  if (port !== 0) return serve({ ...options, port });
  // Many nodes may look for a port on one host at once: start from somewhere of one's own.
  const span = PORTS.last - PORTS.first + 1;
  const start = Math.floor(Math.random() * span);
  for (let tries = 0; tries < 50; tries++) {
    try {
      const candidate = PORTS.first + ((start + tries * 7) % span);
      return await serve({ ...options, port: candidate });
    } catch (error) {
      if (!(error instanceof ListenError) || !error.taken) throw error;
    }
  }
  throw new ListenError(`no free port of ${PORTS.first} to ${PORTS.last} on ${ip}`);
}
