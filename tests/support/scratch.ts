import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The environment variable by which every process of a test, detached ones too, is known. */
export const MARK = "DRAGONFLY_TEST_SCRATCH";

export interface FoundProcess {
  pid: number;
  command: string;
}

/**
 * What one test file uses up: a directory, and the processes and servers started from it. Closing it
 * takes all of that away again, and fails when a process is left that should have ended.
 */
export class Scratch {
  readonly dir: string;
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async open(name: string): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), `dragonfly-${name}-`)));
  }

  /** Makes a directory below this one. */
  async directory(...names: string[]): Promise<string> {
    const path = join(this.dir, ...names);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Has `cleanup` run when this closes, the latest first. */
  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** Living processes that were started, by whatever detour, from this scratch. */
  async processes(): Promise<FoundProcess[]> {
    const found: FoundProcess[] = [];
    const pids = await readdir("/proc").catch(() => [] as string[]);
    await Promise.all(
      pids
        .filter((name) => /^\d+$/.test(name))
        .map(async (name) => {
          try {
            const environment = await readFile(`/proc/${name}/environ`, "utf8");
            if (!environment.split("\0").includes(`${MARK}=${this.dir}`)) return;
            const command = await readFile(`/proc/${name}/cmdline`, "utf8");
            found.push({ pid: Number(name), command: command.split("\0").join(" ").trim() });
          } catch {
            // It has ended meanwhile, or is not ours to look at.
          }
        }),
    );
    return found;
  }

  /** The peer servers that dfget has left behind, as it should (protocol §2). */
  async peerServers(): Promise<FoundProcess[]> {
    return (await this.processes()).filter(({ command }) => / server( |$)/.test(command));
  }

  /**
   * Runs the clean-ups, ends what still runs and deletes the directory.
   *
   * @throws {Error} when a process other than dfget's peer server was left
   */
  async close(): Promise<void> {
    const problems: string[] = [];
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    const expected = new Set((await this.peerServers()).map(({ pid }) => pid));
    for (const { pid, command } of await this.processes()) {
      if (!expected.has(pid)) problems.push(`left running: ${command} (${pid})`);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    while ((await this.processes()).length > 0) await sleep(20);
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 });
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }
}
