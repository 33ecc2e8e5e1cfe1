import { spawn } from "node:child_process";
import { open, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { caseBlind } from "../../protocol/case_blind.ts";
import { formatDuration } from "../../protocol/duration.ts";
import { makeDirectory, writeFileAtomically } from "../../runtime/files.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { getLogger } from "../../runtime/logger.ts";
import { selfCommand } from "../../runtime/self.ts";
import type { Membership } from "../download/swarm_types.ts";
import { GUARDS_PATHS } from "../serve/local_control.ts";
import type { OwnPath } from "../store/own_path.ts";
import type { DfgetSettings } from "./settings.ts";

/** `<home>/meta/host.meta`: on which port this host's peer server listens. */
const metaSchema = caseBlind(z.object({ servicePort: z.number().int().min(1).max(65535) }));

/** Milliseconds for an answer of a server on this host. */
const ANSWER_MS = 3000;
/** Milliseconds in which a new server must say its port: a node that starts many programs at once is slow. */
const START_MS = 15_000;
/** Milliseconds after which whoever starts a server, and says nothing of it, has died. */
const LOCK_MS = START_MS + 2 * ANSWER_MS;

const log = getLogger("dfclient");

export interface FindServerOptions {
  http: HttpClient;
  ip: string;
  home: string;
  taskFileName: string;
  /** For the server that gives the file out. */
  ownPath: OwnPath;
  settings: DfgetSettings;
  /** Told, in a line, why there is none. */
  say(line: string): void;
}

export function metaPath(home: string): string {
  return join(home, "meta", "host.meta");
}

/**
 * The peer server of this host, as a download uses it: found running, or started as a process of its
 * own that outlives the download (protocol §2).
 */
export class HostServer {
  readonly port: number;
  /** Whether it gives the file to those only who have a pass: one of v1 does not know them. */
  readonly guardsPaths: boolean;
  readonly #options: FindServerOptions;

  private constructor(port: number, guardsPaths: boolean, options: FindServerOptions) {
    this.port = port;
    this.guardsPaths = guardsPaths;
    this.#options = options;
  }

  /** `undefined` where there is none and none can be started: the download then serves nobody. */
  static async find(options: FindServerOptions): Promise<HostServer | undefined> {
    const wanted = options.settings.port || undefined;
    const running = async () => {
      for (const port of new Set([wanted, await lastPort(options.home)])) {
        const found = port ? await HostServer.#announce(port, options) : undefined;
        if (found) return found;
      }
      return undefined;
    };
    const found = await running();
    if (found) return found;
    return onlyOne(options.home, async () => {
      // Somebody else may have started it while we waited for our turn.
      const meanwhile = await running();
      if (meanwhile) return meanwhile;
      try {
        const port = await startServer(options);
        await writeFileAtomically(metaPath(options.home), JSON.stringify({ servicePort: port }));
        const started = await HostServer.#announce(port, options);
        if (started) return started;
      } catch (error) {
        const why = `no peer server, so this download serves nobody: ${(error as Error).message}`;
        log.warn("{why}", { why });
        options.say(why);
      }
      return undefined;
    });
  }

  /** Announces the file to a server; `undefined` where none answers, or another kind of one. */
  static async #announce(
    port: number,
    options: FindServerOptions,
  ): Promise<HostServer | undefined> {
    const { ownPath } = options;
    try {
      const answer = await options.http.text(
        `http://${options.ip}:${port}/check/${options.taskFileName}`,
        {
          headers: {
            dataDir: join(options.home, "data"),
            totalLimit: String(options.settings.totalLimit ?? 0),
            ...(ownPath.isOpen ? {} : { pathKey: ownPath.message(performance.now()).key }),
          },
          connectTimeoutMs: ANSWER_MS,
          idleTimeoutMs: ANSWER_MS,
          own: true,
        },
        1024,
      );
      if (answer.status !== 200 || !answer.text.startsWith(`${options.taskFileName}@`))
        return undefined;
      return new HostServer(port, answer.headers[GUARDS_PATHS] !== undefined, options);
    } catch {
      return undefined;
    }
  }

  /** The file needs no pass any more, for the supernode that tells of it knows of none. */
  async open(): Promise<void> {
    await HostServer.#announce(this.port, this.#options);
  }

  /** Bytes a second that a download may use, of the `wanted` (0: any number). */
  async rate(wanted: number): Promise<number> {
    const { http, ip, taskFileName } = this.#options;
    try {
      const answer = await http.text(`http://${ip}:${this.port}/rate/${taskFileName}`, {
        headers: { rateLimit: String(wanted) },
        idleTimeoutMs: ANSWER_MS,
        own: true,
      });
      const rate = Number(answer.text);
      return answer.status === 200 && Number.isFinite(rate) ? rate : wanted;
    } catch {
      return wanted;
    }
  }

  /** Tells the server that the download is over and its file can be served on. */
  async finish(membership: Membership): Promise<void> {
    const { http, ip, taskFileName } = this.#options;
    const query = new URLSearchParams({
      taskFileName,
      cid: membership.cid,
      taskID: membership.taskId,
      superNode: membership.supernode.name,
    });
    await http.text(`http://${ip}:${this.port}/client/finish?${query}`, {
      idleTimeoutMs: ANSWER_MS,
      own: true,
    });
  }
}

async function lastPort(home: string): Promise<number | undefined> {
  try {
    const parsed = metaSchema.safeParse(JSON.parse(await readFile(metaPath(home), "utf8")));
    return parsed.success ? parsed.data.servicePort : undefined;
  } catch {
    return undefined;
  }
}

/** Runs `action` while no other dfget of this home does; a lock left by a crash is broken. */
async function onlyOne<Result>(home: string, action: () => Promise<Result>): Promise<Result> {
  const lock = `${metaPath(home)}.lock`;
  await makeDirectory(dirname(lock));
  const until = Date.now() + LOCK_MS;
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const age =
        Date.now() -
        (await stat(lock).then(
          (stats) => stats.mtimeMs,
          () => Date.now(),
        ));
      if (age > LOCK_MS || Date.now() > until) await rm(lock, { force: true });
      await sleep(20);
    }
  }
  try {
    return await action();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Starts `dfget server` as a process of its own; resolves with its port. */
function startServer(options: FindServerOptions): Promise<number> {
  const { settings, home, ip } = options;
  const self = selfCommand();
  const args = [...self.args, "server", "--ip", ip, "--port", String(settings.port ?? 0)];
  args.push("--home", home, "--data", join(home, "data"), "--meta", metaPath(home));
  if (settings.expireMs !== undefined) args.push("--expiretime", formatDuration(settings.expireMs));
  if (settings.aliveMs !== undefined) args.push("--alivetime", formatDuration(settings.aliveMs));
  for (const [name, address] of Object.entries(settings.hostAliases ?? {}))
    args.push("--host-alias", `${name}=${address}`);
  if (settings.configFile) args.push("--config", settings.configFile);
  if (settings.uploadLimit !== undefined) args.push("--uploadlimit", String(settings.uploadLimit));
  if (settings.tracing) args.push("--tracing", settings.tracing.endpoint);
  if (settings.verbose) args.push("--verbose");
  const child = spawn(self.command, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve, reject) => {
    let output = "";
    let complaint = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    const timer = setTimeout(() => {
      child.kill();
      reject(new Error("the peer server does not start"));
    }, START_MS);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      const said = complaint.trim().replace(/^dfget: /, "");
      reject(new Error(said || `it ended at once with code ${code}`));
    });
    child.stdout!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const port = /port:(\d+)\n/.exec(output)?.[1];
      if (!port) return;
      clearTimeout(timer);
      child.stdout!.destroy();
      child.stderr!.destroy();
      child.unref();
      resolve(Number(port));
    });
  });
}
