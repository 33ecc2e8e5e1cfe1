import { hostname } from "node:os";
import { basename, join } from "node:path";
import { blobDigest, type Digest, formatDigest } from "../protocol/digest.ts";
import { filterUrl } from "../protocol/filter_url.ts";
import { isAnonymous } from "../protocol/is_anonymous.ts";
import { clientId, clientSign, peerFilePath, taskFileName } from "../protocol/names.ts";
import { taskId } from "../protocol/task_id.ts";
import { isDiskFull } from "../runtime/files.ts";
import { HttpClient } from "../runtime/http_client.ts";
import { type Links, openLinks } from "../runtime/links/links.ts";
import { getLogger } from "../runtime/logger.ts";
import { RateLimiter } from "../runtime/rate_limit/rate_limiter.ts";
import { secretWord } from "../runtime/secret_word.ts";
import {
  type AdjustableOptions,
  DownloadError,
  type DownloadSummary,
  type OpenFile,
  type OpenRequest,
  type Peer,
  type PeerOptions,
  type PeerStatus,
  WrongDigestError,
} from "./contract.ts";
import { BodyCount } from "./download/body_count.ts";
import { heldBytes, matchesDigest, openCachedFile } from "./download/cached_file.ts";
import { Download } from "./download/download.ts";
import { ReaderBuffers } from "./download/reader_buffers.ts";
import { SharedDownload } from "./download/shared_download.ts";
import type { HostLimit } from "./serve/local_control.ts";
import { type PeerServer, startPeerServer } from "./serve/peer_server.ts";
import { Catalog, type CatalogEntry, DATA_SUFFIX } from "./store/catalog.ts";
import { EXPIRE_MS } from "./store/expiry.ts";
import { OwnPath } from "./store/own_path.ts";
import { reportSummary } from "./supernode/report_summary.ts";
import { SupernodeList } from "./supernode/supernode_list.ts";
import { SwarmSessions } from "./swarm/swarm_sessions.ts";

/** Milliseconds for which p2p is not used for a file that came out wrong. */
const DISTRUST_MS = 60_000;

const log = getLogger("dfclient");

/** A peer in this process, with downloads and server: what dfdaemon runs. */
export class NodePeer implements Peer {
  readonly links: Links | undefined;
  readonly #options: PeerOptions;
  readonly #catalog: Catalog;
  readonly #http: HttpClient;
  readonly #supernodes: SupernodeList;
  readonly #server: PeerServer;
  readonly #swarms: SwarmSessions;
  readonly #totalLimiter: RateLimiter;
  readonly #upload: RateLimiter;
  readonly #hostLimit: HostLimit;
  readonly #localLimiters = new WeakMap<SharedDownload, RateLimiter>();
  readonly #bodies = new BodyCount();
  readonly #buffers = new ReaderBuffers();
  #localLimit: number;
  /** Downloads under way, by cache key. */
  readonly #running = new Map<string, SharedDownload>();
  readonly #opening = new Map<string, Promise<unknown>>();
  readonly #distrusted = new Map<string, number>();
  #lastSignMs = 0;

  private constructor(
    options: PeerOptions,
    parts: {
      catalog: Catalog;
      http: HttpClient;
      supernodes: SupernodeList;
      server: PeerServer;
      swarms: SwarmSessions;
      hostLimit: HostLimit;
      upload: RateLimiter;
      links: Links | undefined;
    },
  ) {
    this.links = parts.links;
    this.#options = options;
    this.#catalog = parts.catalog;
    this.#http = parts.http;
    this.#supernodes = parts.supernodes;
    this.#server = parts.server;
    this.#swarms = parts.swarms;
    this.#hostLimit = parts.hostLimit;
    this.#totalLimiter = new RateLimiter(options.totalLimit ?? 0);
    this.#upload = parts.upload;
    this.#localLimit = options.localLimit ?? 0;
  }

  static async start(options: PeerOptions): Promise<NodePeer> {
    const links = await openLinks(options.links, getLogger("dfserver"));
    const http = new HttpClient({ hostAliases: options.hostAliases ?? {}, links });
    const supernodes = new SupernodeList(options.supernodes, http);
    const catalog = new Catalog(options.dataDir);
    const swarms = new SwarmSessions();
    const hostLimit = { totalLimit: options.totalLimit ?? 0 };
    const upload = new RateLimiter(options.uploadLimit ?? 0);
    let server: PeerServer | undefined;
    try {
      // Before the cache is read: where the port is taken, another peer may be started in this one's place.
      server = await startPeerServer({
        links,
        catalog,
        swarms,
        http,
        supernodes,
        ip: options.ip,
        port: options.port,
        expireMs: options.expireMs ?? EXPIRE_MS,
        aliveMs: 0,
        limit: hostLimit,
        upload,
        onServed: options.onServed,
      });
      await catalog.load();
    } catch (error) {
      await server?.close();
      http.close();
      links?.close();
      throw error;
    }
    const parts = { catalog, http, supernodes, server, swarms, hostLimit, upload, links };
    return new NodePeer(options, parts);
  }

  get ip(): string {
    return this.#server.ip;
  }

  get port(): number {
    return this.#server.port;
  }

  async moveTo(ip: string): Promise<void> {
    await this.#server.moveTo(ip);
    this.#http.closeIdle();
    await Promise.all(
      [...this.#catalog.entries()]
        .filter(({ announced }) => announced)
        .map((entry) => this.#server.retract(entry)),
    );
  }

  status(): PeerStatus {
    const files = [...this.#catalog.entries()].flatMap(({ file }) => (file ? [file] : []));
    return {
      downloads: this.#running.size,
      cachedFiles: files.length,
      cachedBytes: files.reduce((sum, file) => sum + heldBytes(file), 0),
    };
  }

  async open(request: OpenRequest): Promise<OpenFile> {
    const digest = request.digest ?? blobDigest(request.url);
    const id = taskId({ taskUrl: this.#taskUrl(request), headers: request.headers });
    const key = digest ? blobKey(digest, request) : id;
    const until = this.#distrusted.get(key);
    if (until !== undefined) {
      if (until > performance.now())
        throw new DownloadError("the bytes that p2p brought for it were wrong");
      this.#distrusted.delete(key);
    }
    // One at a time for each file, so that two clients never start it twice.
    const before = this.#opening.get(key) ?? Promise.resolve();
    const opening = before.then(() => this.#open(request, key, id));
    const settled = opening.then(
      () => {},
      () => {},
    );
    this.#opening.set(key, settled);
    settled.then(() => {
      if (this.#opening.get(key) === settled) this.#opening.delete(key);
    });
    return opening;
  }

  adjust(settings: AdjustableOptions): void {
    this.#supernodes.replace(settings.supernodes);
    this.#localLimit = settings.localLimit ?? 0;
    for (const shared of this.#running.values()) {
      this.#localLimiters.get(shared)?.setRate(this.#localLimit);
    }
    this.#hostLimit.totalLimit = settings.totalLimit ?? 0;
    this.#totalLimiter.setRate(settings.totalLimit ?? 0);
    this.#upload.setRate(settings.uploadLimit ?? 0);
  }

  async close(): Promise<void> {
    for (const shared of this.#running.values()) shared.download.abort("dfdaemon stops");
    await Promise.allSettled([...this.#running.values()].map(({ download }) => download.done));
    this.#swarms.leaveAll();
    await this.#server.close();
    await this.#catalog.close();
    this.#http.close();
    this.links?.close();
  }

  #taskUrl({ url }: OpenRequest): string {
    return filterUrl(url, this.#options.filter ?? []);
  }

  async #open(request: OpenRequest, key: string, id: string): Promise<OpenFile> {
    const running = this.#running.get(key);
    if (running && running.download.state !== "failed") return running.openFile();

    const digest = request.digest ?? blobDigest(request.url);
    // Without a digest nobody knows whether the source still has the same file.
    let cached = digest ? this.#catalog.byKey(key) : undefined;
    if (cached?.file?.complete && cached.file.verified) {
      const isRight =
        (cached.announced && (await cached.file.isUntouched())) ||
        (await matchesDigest(cached.file, digest!.hex));
      const { name } = cached;
      if (isRight && cached.announced)
        return openCachedFile(cached, cached.file, this.#buffers, this.#options.onBytes, () =>
          this.#server.dropDamaged(name),
        );
      if (!isRight) {
        this.#server.dropDamaged(name);
        cached = undefined;
      }
    }
    const resumed = cached?.file && !cached.file.closed ? cached : undefined;
    const sign = this.#sign();
    const base = digest
      ? digest.hex
      : basename(new URL(request.url).pathname).replace(/[^\w.-]/g, "_") || "index";
    const name = resumed?.name ?? taskFileName(base, secretWord(), sign);
    const ownPath = resumed?.ownPath ?? new OwnPath(peerFilePath(name), performance.now());
    const limiter = new RateLimiter(this.#localLimit);
    const download = new Download(
      {
        source: { url: request.url, headers: request.headers, tls: request.tls },
        taskUrl: this.#taskUrl(request),
        taskId: id,
        key,
        identity: {
          cid: clientId(this.ip, secretWord(), sign),
          ip: this.ip,
          hostName: hostname(),
          port: this.port,
          path: ownPath.path,
          ownPath,
          callSystem: this.#options.callSystem,
          dfdaemon: this.#options.dfdaemon,
        },
        path: resumed?.path ?? join(this.#catalog.dataDir, name + DATA_SUFFIX),
        name,
        length: request.length,
        from: request.from,
        digest,
        backToSource: "joined",
      },
      {
        http: this.#http,
        bodies: this.#bodies,
        supernodes: this.#supernodes,
        swarms: this.#swarms,
        span: request.span,
        zone: this.#options.zone,
        minRate: this.#options.minRate,
        maxInFlight: this.#options.maxInFlight,
        limiters: [limiter, this.#totalLimiter.share()],
        onBytes: this.#options.onBytes,
      },
      resumed?.file,
    );
    if (resumed) this.#options.onBytes?.("cache", heldBytes(resumed.file!));
    const shared = new SharedDownload(download, this.#buffers);
    this.#running.set(key, shared);
    this.#localLimiters.set(shared, limiter);
    this.#follow(shared, key, name, resumed);
    return shared.openFile();
  }

  /** Keeps the catalog, the supernode and the log in step with a download. */
  #follow(
    shared: SharedDownload,
    key: string,
    name: string,
    resumed: CatalogEntry | undefined,
  ): void {
    const { download } = shared;
    const entry: CatalogEntry = resumed ?? {
      name,
      path: download.plan.path,
      ownPath: download.plan.identity.ownPath,
      key,
      taskId: "",
      cid: "",
      supernode: "",
      users: 0,
      touchedMs: Date.now(),
    };
    entry.users += 1;
    download.file.then(
      (file) => {
        entry.file = file;
        this.#catalog.add(entry);
      },
      () => {},
    );
    download.onMember = ({ taskId, cid, supernode }) => {
      Object.assign(entry, { taskId, cid, supernode: supernode.name });
    };
    const settle = (summary: DownloadSummary | undefined) => {
      entry.users -= 1;
      entry.touchedMs = Date.now();
      shared.settled();
      if (this.#running.get(key) === shared) this.#running.delete(key);
      reportSummary(download, summary, { ip: download.plan.identity.ip, port: this.port });
    };
    download.done.then(
      (summary) => {
        entry.announced = true;
        settle(summary);
        // Others were told of an address at which we are no more.
        if (download.plan.identity.ip !== this.ip) void this.#server.retract(entry);
        log.info("{name} SUCCESS cost:{seconds}s length:{length} reason:{reason}", {
          name,
          seconds: summary.seconds.toFixed(3),
          length: summary.length,
          reason: summary.reason,
        });
      },
      async (error: Error) => {
        settle(undefined);
        log.warn("{name} FAIL: {error}", { name, error: error.message });
        const { membership } = download;
        membership?.supernode.reportServiceDown(membership.taskId, membership.cid).catch(() => {});
        if (error instanceof WrongDigestError)
          this.#distrusted.set(key, performance.now() + DISTRUST_MS);
        // Wrong bytes are of no use, and a full disk wants its space back; the rest is resumed some day.
        if (error instanceof WrongDigestError || isDiskFull(error) || !entry.file) {
          await this.#catalog.remove(entry).catch(() => {});
        } else {
          await entry.file.saveIndex().catch(() => {});
        }
      },
    );
  }

  /** A sign that no other download of this process has. */
  #sign(): string {
    this.#lastSignMs = Math.max(Date.now(), this.#lastSignMs + 1);
    return clientSign(process.pid, this.#lastSignMs);
  }
}

/**
 * What a blob is known by on this node. One that everybody may have is the same from all registries; else
 * another site may say of any digest that it let us have it, which is no leave of this one.
 */
function blobKey(digest: Digest, { url, headers }: OpenRequest): string {
  const blob = formatDigest(digest);
  return isAnonymous(url, headers) ? blob : `${blob} ${new URL(url).origin}`;
}
