import { rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { blobDigest } from "../../protocol/digest.ts";
import { filterUrl } from "../../protocol/filter_url.ts";
import { clientId, peerFilePath, taskFileName } from "../../protocol/names.ts";
import { taskId } from "../../protocol/task_id.ts";
import { isDiskFull, linkOrCopy } from "../../runtime/files.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { openLinks } from "../../runtime/links/links.ts";
import { localAddressTowards } from "../../runtime/local_address.ts";
import { getLogger } from "../../runtime/logger.ts";
import { RateLimiter } from "../../runtime/rate_limit/rate_limiter.ts";
import { secretWord } from "../../runtime/secret_word.ts";
import { DownloadError, NeedAuthError } from "../contract.ts";
import { BodyCount } from "../download/body_count.ts";
import { Download } from "../download/download.ts";
import type { DownloadPlan, DownloadTools } from "../download/download_plan.ts";
import { MIN_RATE } from "../download/fetch_piece.ts";
import { orderedStream } from "../download/ordered_stream.ts";
import { ReaderBuffers } from "../download/reader_buffers.ts";
import { DATA_SUFFIX } from "../store/catalog.ts";
import { indexPath } from "../store/index_file.ts";
import { OwnPath } from "../store/own_path.ts";
import { reportSummary } from "../supernode/report_summary.ts";
import { SupernodeList } from "../supernode/supernode_list.ts";
import { ExitCode } from "./exit_code.ts";
import { HostServer } from "./host_server.ts";
import { showProgress } from "./progress.ts";
import type { DownloadRequest } from "./request.ts";
import type { DfgetSettings } from "./settings.ts";

/** v1's default of `--locallimit`, bytes a second (protocol §4). */
const LOCAL_LIMIT = 20 * 1024 * 1024;

/** Characters of an output's name in the name on the peer server: a file's name takes no more than 255. */
const MAX_BASE_NAME = 150;

/** Bytes from which on the hash of a file keeps a thread busy for longer than it takes to start one. */
const HASHES_BESIDE_FROM = 128 * 1024 * 1024;

/** Milliseconds between two looks at what rate this download may have. */
const SHARE_MS = 1000;

const log = getLogger("dfclient");

/** One download by dfget, with the peer server of this host. */
export class DfgetJob {
  readonly #request: DownloadRequest;
  readonly #plan: DownloadPlan;
  readonly #tools: DownloadTools;
  readonly #server: HostServer | undefined;
  /** Bytes a second that this download wants for itself; 0: any number. */
  readonly #wantedRate: number;
  readonly #limiter: RateLimiter;
  readonly #say: (line: string) => void;

  private constructor(
    request: DownloadRequest,
    plan: DownloadPlan,
    tools: Omit<DownloadTools, "limiters">,
    wantedRate: number,
    server: HostServer | undefined,
    say: (line: string) => void,
  ) {
    this.#request = request;
    this.#plan = plan;
    this.#limiter = new RateLimiter(wantedRate);
    this.#tools = { ...tools, limiters: [this.#limiter] };
    this.#wantedRate = wantedRate;
    this.#server = server;
    this.#say = say;
  }

  static async create(
    request: DownloadRequest,
    settings: DfgetSettings,
    home: string,
    sign: string,
    say: (line: string) => void,
  ): Promise<DfgetJob> {
    const links = await openLinks(settings.links, log);
    const http = new HttpClient({ hostAliases: settings.hostAliases ?? {}, links });
    const sourceOnly = request.pattern === "source";
    const supernodes = new SupernodeList(sourceOnly ? [] : settings.supernodes, http);
    const [first] = settings.supernodes;
    const ip =
      settings.ip ??
      (await localAddressTowards(first?.host ?? "127.0.0.1", first?.port ?? 1)).address;
    const base = outputName(request)
      .replace(/[^\w.-]/g, "_")
      .slice(0, MAX_BASE_NAME);
    const name = taskFileName(base, secretWord(), sign);
    // Only who takes from peers gives to them.
    const serves = request.pattern === "p2p" && settings.supernodes.length > 0;
    const ownPath = new OwnPath(peerFilePath(name), performance.now());
    const server = serves
      ? await HostServer.find({ http, ip, home, taskFileName: name, ownPath, settings, say })
      : undefined;
    ownPath.onOpen = () => void server?.open();
    const taskUrl = filterUrl(request.url, settings.filter);
    const { md5, identifier, headers } = request;
    const id = taskId({ taskUrl, md5, identifier, headers });
    const plan: DownloadPlan = {
      source: { url: request.url, headers, tls: request.tls },
      taskUrl,
      taskId: id,
      key: id,
      identity: {
        cid: clientId(ip, secretWord(), sign),
        ip,
        hostName: hostname(),
        port: server?.port ?? 0,
        path: ownPath.path,
        ownPath: server?.guardsPaths ? ownPath : undefined,
        md5,
        identifier,
        callSystem: settings.callSystem,
        dfdaemon: request.dfdaemon,
        pattern: request.pattern === "p2p" ? undefined : request.pattern,
      },
      path: join(home, "data", name + DATA_SUFFIX),
      name,
      digest: request.digest ?? blobDigest(request.url),
      md5,
      backToSource: request.backToSource ? "always" : "never",
      sourceOnly,
    };
    const tools = {
      http,
      bodies: new BodyCount(),
      supernodes,
      minRate: settings.minRate,
      // As in v1, who says how long it may take has said enough.
      lowestRate: request.timeoutMs > 0 ? undefined : (settings.minRate ?? MIN_RATE),
      maxInFlight: settings.clientQueueSize,
      hashesBesideFrom: HASHES_BESIDE_FROM,
    };
    return new DfgetJob(request, plan, tools, settings.localLimit ?? LOCAL_LIMIT, server, say);
  }

  async run(startedMs: number): Promise<number> {
    const { timeoutMs } = this.#request;
    await this.#takeShare();
    // Downloads that begin or end later change the share of this one.
    const shares = setInterval(() => void this.#takeShare(), SHARE_MS);
    const download = new Download(this.#plan, this.#tools);
    let announced = false;
    download.onMember = ({ supernode }) => {
      if (announced) return;
      announced = true;
      this.#say(`client:${this.#plan.identity.ip} connected to node:${supernode.name}`);
      this.#say("start download by dragonfly...");
    };
    download.onBackToSource = () => {
      if (download.membership)
        this.#say(
          `failed to download by dragonfly: failed to download with p2p pattern, reason: ${download.reason}, and start try to download from source`,
        );
      this.#say(`start download ${outputName(this.#request)} from the source station`);
    };
    let stoppedBy: NodeJS.Signals | undefined;
    const stop = (signal: NodeJS.Signals) => {
      stoppedBy = signal;
      download.abort(`stopped by ${signal}`);
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    const timer =
      timeoutMs > 0
        ? setTimeout(() => download.abort(`not done within ${timeoutMs} ms`), timeoutMs)
        : undefined;
    const progress = showProgress(download, this.#request.showBar);
    const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(3);
    try {
      if (this.#request.toStdout) await this.#toStdout(download);
      const summary = await download.done;
      progress.stop();
      if (!this.#request.toStdout) await this.#toOutput();
      this.#report(download, summary);
      this.#say(
        `download SUCCESS cost:${seconds()}s length:${summary.length} reason:${download.reason}`,
      );
      await this.#settle(download, true);
      return 0;
    } catch (error) {
      progress.stop();
      download.abort("given up");
      await download.done.catch(() => {});
      this.#report(download, undefined);
      await this.#settle(download, false);
      if (stoppedBy) return stoppedBy === "SIGINT" ? 130 : 143;
      const { code, exit, message } = explain(error as Error);
      log.error("download failed: {message}", { message });
      this.#say(
        `download FAIL(${code}) cost:${seconds()}s length:-1 reason:${download.reason} error:${message}`,
      );
      return exit;
    } finally {
      clearTimeout(timer);
      clearInterval(shares);
      this.#tools.http.close();
      process.off("SIGINT", stop).off("SIGTERM", stop);
    }
  }

  /** Asks the host's peer server what part of `--totallimit` is ours now. */
  async #takeShare(): Promise<void> {
    if (this.#server) this.#limiter.setRate(await this.#server.rate(this.#wantedRate));
  }

  async #toStdout(download: Download): Promise<void> {
    download.handedOut = true;
    const stream = orderedStream(download, undefined, new ReaderBuffers(), () => {});
    // Not by its descriptor: where a pipe is read slowly Node (26) gives a second stream up after some tries.
    await pipeline(Readable.from(stream), process.stdout, { end: false });
    await new Promise<void>((resolve, reject) => {
      process.stdout.write("", (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The cache's file gets its name in one step, so that nobody ever sees half of it. */
  async #toOutput(): Promise<void> {
    const { output } = this.#request;
    const temporary = `${output}.${process.pid}.dfget-tmp`;
    try {
      await linkOrCopy(this.#plan.path, temporary);
      await rename(temporary, output);
    } catch (error) {
      await rm(temporary, { force: true });
      throw Object.assign(
        new DownloadError(`cannot write ${output}: ${(error as Error).message}`),
        {
          code: (error as NodeJS.ErrnoException).code,
        },
      );
    }
  }

  #report(download: Download, summary: Parameters<typeof reportSummary>[1]): void {
    const { ip, port } = this.#plan.identity;
    reportSummary(download, summary, { ip, port });
  }

  /** Leaves the file to the host's peer server, or takes it away where nobody would serve it. */
  async #settle(download: Download, success: boolean): Promise<void> {
    const { membership } = download;
    const file = await download.file.catch(() => undefined);
    await file?.close();
    if (success && this.#server && membership) {
      await this.#server.finish(membership).catch(() => {});
      return;
    }
    if (membership) {
      await membership.supernode
        .reportServiceDown(membership.taskId, membership.cid)
        .catch(() => {});
    }
    await rm(this.#plan.path, { force: true });
    await rm(indexPath(this.#plan.path), { force: true });
  }
}

function outputName({ output, toStdout }: DownloadRequest): string {
  return toStdout ? "stdout" : basename(output);
}

function explain(error: Error): { code: number; exit: number; message: string } {
  if (error instanceof NeedAuthError) {
    return { code: 608, exit: ExitCode.needAuth, message: error.message };
  }
  const message = isDiskFull(error)
    ? `no space left on the disk: ${error.message}`
    : (error as NodeJS.ErrnoException).code === "EPIPE"
      ? "who reads standard output takes no more of it"
      : error.message;
  return { code: 1104, exit: ExitCode.download, message };
}
