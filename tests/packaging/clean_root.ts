import { existsSync, rmdirSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Finished, RunningProgram, run, runWell, until } from "../support/process.ts";
import type { Scratch } from "../support/scratch.ts";

/** A freshly installed Debian in a directory, booted by its own systemd in namespaces of its own. */
export class CleanRoot {
  /** Where its files lie on this machine. */
  readonly dir: string;
  readonly #scratch: Scratch;
  /** Of its first process. */
  readonly #pid: number;

  private constructor(scratch: Scratch, dir: string, pid: number) {
    this.#scratch = scratch;
    this.dir = dir;
    this.#pid = pid;
  }

  /** Installs Debian from the mirror that this machine's apt uses, and boots it. */
  static async boot(scratch: Scratch): Promise<CleanRoot> {
    const dir = join(scratch.dir, "root");
    const sources = await debianSources(scratch);
    await runWell(scratch, [
      ...["mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd,ca-certificates,curl"],
      ...[sources.suite, dir, ...sources.lines],
    ]);
    const group = await ownControlGroup(scratch);
    const machine = RunningProgram.start(scratch, [
      ...["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', group],
      ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net"],
      ...["--cgroup", "sh", join(import.meta.dirname, "boot.sh"), dir],
    ]);
    let pid = 0;
    await machine.until("systemd runs", async () => {
      const children = `/proc/${machine.pid}/task/${machine.pid}/children`;
      pid = Number((await readFile(children, "utf8").catch(() => "")).trim());
      if (!pid) return false;
      return (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() === "systemd";
    });
    // `unshare` itself does not end by SIGTERM while its child lives.
    scratch.defer(() => machine.stop("SIGKILL"));
    const root = new CleanRoot(scratch, dir, pid);
    await machine.until("systemd has booted", async () => {
      const { stdout } = await root.run("systemctl", "is-system-running");
      return /running|degraded/.test(stdout.toString());
    });
    return root;
  }

  /** Runs a command inside, to its end. */
  run(...command: string[]): Promise<Finished> {
    const spaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--root", "--wd"];
    return run(this.#scratch, ["nsenter", "--target", String(this.#pid), ...spaces, ...command]);
  }

  /** The same for a command that must succeed; returns what it printed. */
  async runWell(...command: string[]): Promise<string> {
    const finished = await this.run(...command);
    if (finished.code === 0) return finished.stdout.toString();
    const journal = await this.run("journalctl", "--no-pager", "-n", "40");
    throw new Error(`${command.join(" ")}: ${finished.output}\n${journal.output}`);
  }

  /** What has a program of this machine run in the root's network. */
  get beside(): string[] {
    return ["nsenter", "--target", String(this.#pid), "--net"];
  }

  /** Starts a program of this machine in the root's network. */
  startBeside(...command: string[]): RunningProgram {
    return RunningProgram.start(this.#scratch, [...this.beside, ...command]);
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(join(this.dir, path, ".."), { recursive: true });
    await writeFile(join(this.dir, path), text);
  }

  read(path: string): Promise<string> {
    return readFile(join(this.dir, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.dir, path));
  }

  /** One property of a unit, as `systemctl show` names it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.runWell("systemctl", "show", "--value", "-p", name, unit)).trim();
  }
}

/** What this machine's apt has as Debian: the suite, and lines for a sources.list. */
async function debianSources(scratch: Scratch): Promise<{ suite: string; lines: string[] }> {
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
  const { stdout } = await runWell(scratch, [
    ...["apt-get", "indextargets", "--format", format],
    ...["Created-By: Packages", "Origin: Debian"],
  ]);
  const targets = stdout.toString().trim().split("\n").filter(Boolean);
  const lines = [...new Set(targets)].filter((line) => / \w+ main$/.test(line));
  const suite = lines[0]?.split(" ")[1];
  if (!suite) throw new Error("apt of this machine knows no Debian: run apt-get update");
  return { suite, lines: lines.slice(0, 1).map((line) => `deb ${line}`) };
}

/** A control group below which systemd makes its own; it goes when the machine has. */
async function ownControlGroup(scratch: Scratch): Promise<string> {
  const named = "/sys/fs/cgroup/systemd";
  const group = join(existsSync(named) ? named : "/sys/fs/cgroup", `dragonfly-${process.pid}`);
  await mkdir(group, { recursive: true });
  scratch.defer(async () => {
    await until("its processes are gone", async () => {
      try {
        await removeGroups(group);
        return true;
      } catch {
        return false;
      }
    });
  });
  return group;
}

async function removeGroups(group: string): Promise<void> {
  for (const entry of await readdir(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroups(join(group, entry.name));
  }
  rmdirSync(group);
}
