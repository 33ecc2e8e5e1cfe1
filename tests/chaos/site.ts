import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Authority } from "../support/authority.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import type { Exit, RunningProgram } from "../support/process.ts";
import type { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";
import type { Hosts } from "./host_network.ts";
import { NODES, type Part, type Schedule } from "./schedule.ts";

const run = promisify(execFile);

/** MB of the disk of each cache. */
const DISK_MB = 96;

/** One program of a site, by whatever process it runs now. */
export interface SitePart {
  readonly name: Part;
  readonly namespace: string;
  readonly process: RunningProgram;
  /** Where its cached files lie, on a small disk of its own; the registry has none. */
  readonly cache: string | undefined;
  /** Holds the ms by which its clock is wrong. */
  readonly clockFile: string | undefined;
  /** Where it writes down, on SIGUSR2, what it waits for. */
  readonly countsFile: string | undefined;
  startAgain(): Promise<void>;
}

/** A supernode and nodes with empty caches, beside a registry that other sites have used, too. */
export class Site {
  readonly scratch: Scratch;
  readonly parts: ReadonlyMap<Part, SitePart>;
  readonly nodes: readonly Dfdaemon[];
  readonly authority: Authority;
  readonly hosts: Hosts;
  readonly registry: Registry;
  /** Parts that the test has ended, for now. */
  readonly down = new Set<Part>();
  /** All processes so far, for their outputs. */
  readonly #processes: { name: string; process: RunningProgram }[] = [];
  readonly #disks: string[];
  readonly #startTwin: (node: number) => Promise<Dfdaemon>;

  private constructor(
    scratch: Scratch,
    authority: Authority,
    hosts: Hosts,
    registry: Registry,
    parts: Map<Part, SitePart>,
    nodes: Dfdaemon[],
    disks: string[],
    startTwin: (node: number) => Promise<Dfdaemon>,
  ) {
    this.scratch = scratch;
    this.authority = authority;
    this.hosts = hosts;
    this.registry = registry;
    this.parts = parts;
    this.nodes = nodes;
    this.#disks = disks;
    this.#startTwin = startTwin;
    for (const part of parts.values()) this.#watch(part.name, part.process);
  }

  static async start(
    hosts: Hosts,
    registry: Registry,
    cdnPattern: Schedule["cdnPattern"],
  ): Promise<Site> {
    const scratch = await Scratch.open("chaos-site");
    const disks: string[] = [];
    const disk = async (...names: string[]) => {
      const path = await scratch.directory(...names);
      await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "tmpfs", path]);
      disks.push(path);
      return path;
    };
    try {
      const authority = await Authority.create(scratch, "nodes");
      const preload = join(import.meta.dirname, "watched_process.mjs");
      const watched = (name: string) => {
        const clockFile = join(scratch.dir, `${name}.clock`);
        const countsFile = join(scratch.dir, `${name}.counts`);
        const env = { CHAOS_CLOCK: clockFile, CHAOS_COUNTS: countsFile };
        return { clockFile, countsFile, env };
      };
      const parts = new Map<Part, SitePart>();
      const add = (
        name: Part,
        program: { process: RunningProgram; startAgain(): Promise<void> },
        files: { cache?: string; clockFile?: string; countsFile?: string },
      ) =>
        parts.set(name, {
          name,
          namespace: hosts.parts[name]!.namespace,
          get process() {
            return program.process;
          },
          cache: files.cache,
          clockFile: files.clockFile,
          countsFile: files.countsFile,
          startAgain: () => program.startAgain(),
        });
      add("registry", registry, {});

      const supernodePlace = hosts.parts.supernode;
      const cache = await disk(`supernode-${supernodePlace.address}`, "repo");
      const { env, ...files } = watched("supernode");
      const supernode = await startSupernode(scratch, {
        cdnPattern,
        registry,
        place: supernodePlace,
        preload,
        env,
      });
      add("supernode", supernode, { cache, ...files });

      const startNode = async (index: number, port?: number) => {
        const name: Part = `node${index}`;
        const { env, ...files } = watched(port === undefined ? name : `${name}-twin`);
        const node = await Dfdaemon.start(scratch, {
          place: hosts.parts[name],
          supernodes: [supernode.node],
          registry,
          authority,
          preload,
          env,
          ...(port === undefined ? {} : { port }),
        });
        return { node, files };
      };
      const nodes = await Promise.all(
        Array.from({ length: NODES }, async (_, index) => {
          const name: Part = `node${index}`;
          const cache = await disk(`dfdaemon-${hosts.parts[name]!.address}`, "data");
          const { node, files } = await startNode(index);
          add(name, node, { cache, ...files });
          return node;
        }),
      );
      return new Site(scratch, authority, hosts, registry, parts, nodes, disks, async (index) => {
        return (await startNode(index, 65002)).node;
      });
    } catch (error) {
      await closeAll(scratch, disks);
      throw error;
    }
  }

  part(name: Part): SitePart {
    return this.parts.get(name)!;
  }

  /** Ends a part by a signal; one that has not ended after `graceMs` is killed. */
  async end(name: Part, signal: NodeJS.Signals, graceMs?: number): Promise<Exit> {
    this.down.add(name);
    return this.part(name).process.stop(signal, graceMs);
  }

  /** Has a part that was ended run again. */
  async startAgain(name: Part): Promise<void> {
    const part = this.part(name);
    await part.startAgain();
    this.#watch(name, part.process);
    this.down.delete(name);
  }

  /** Starts a second dfdaemon on a node's home. */
  async startTwin(node: number): Promise<Dfdaemon> {
    const twin = await this.#startTwin(node);
    this.#watch(`node${node}-twin`, twin.process);
    return twin;
  }

  /** Parts that have ended of themselves. */
  crashed(): Part[] {
    return [...this.parts.values()]
      .filter(({ name, process }) => !process.running && !this.down.has(name))
      .map(({ name }) => name);
  }

  /** What a part waits for, by kind. */
  async counts(part: SitePart): Promise<Record<string, number>> {
    await rm(part.countsFile!, { force: true });
    part.process.signal("SIGUSR2");
    let text = "";
    await part.process.until("it has answered SIGUSR2", async () => {
      text = await readFile(part.countsFile!, "utf8").catch(() => "");
      return text !== "";
    });
    return JSON.parse(text) as Record<string, number>;
  }

  /** Puts down what all programs wrote to their standard outputs, beside their own logs. */
  async writeOutputs(directory: string): Promise<void> {
    for (const [index, { name, process }] of this.#processes.entries()) {
      await writeFile(join(directory, `output-${index}-${name}.log`), process.output);
    }
  }

  /** Takes the disks away; their files are gone. */
  async unmount(): Promise<void> {
    for (const path of this.#disks.splice(0)) await run("umount", ["--lazy", path]);
  }

  /** Ends all that still runs, and deletes the files. */
  close(): Promise<void> {
    return closeAll(this.scratch, this.#disks.splice(0));
  }

  #watch(name: string, process: RunningProgram): void {
    this.#processes.push({ name, process });
  }
}

async function closeAll(scratch: Scratch, disks: readonly string[]): Promise<void> {
  for (const path of disks) await run("umount", ["--lazy", path]);
  await scratch.close();
}
