import { execFile } from "node:child_process";
import { open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { MB } from "../support/image.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import { REGISTRY_NAME } from "../support/registry.ts";
import type { Fault, FaultKind, Part } from "./schedule.ts";
import type { Site, SitePart } from "./site.ts";

const run = promisify(execFile);

/** Undoes a fault; resolves when the part can work again. */
export type Undo = () => Promise<void>;

/** Has the fault happen. */
export function cause(site: Site, fault: Fault): Promise<Undo> {
  return CAUSES[fault.kind](site, site.part(fault.part), fault.amount ?? 0);
}

type Cause = (site: Site, part: SitePart, amount: number) => Promise<Undo>;

const CAUSES: Record<FaultKind, Cause> = {
  kill: (site, { name }) => endAndStart(site, name, "SIGKILL"),
  term: (site, { name }) => endAndStart(site, name, "SIGTERM"),

  freeze: async (_site, part) => {
    const { process } = part;
    process.signal("SIGSTOP");
    return async () => process.signal("SIGCONT");
  },

  "black hole": (_site, { namespace }) => filterPackets(namespace, "drop"),
  "lossy link": (_site, { namespace }, percent) =>
    filterPackets(namespace, `numgen random mod 100 < ${percent} drop`),

  "full disk": async (_site, part) => {
    const filler = join(part.cache!, "somebody-elses");
    await fill(filler);
    return () => rm(filler, { force: true });
  },

  "read-only cache": async (site, { name, cache }) => {
    await site.end(name, "SIGKILL");
    await run("mount", ["-o", "remount,ro", cache!]);
    await site.startAgain(name);
    return async () => {
      await site.end(name, "SIGKILL");
      await run("mount", ["-o", "remount,rw", cache!]);
      await site.startAgain(name);
    };
  },

  "damaged cache": async (site, { name, cache }) => {
    await site.end(name, "SIGKILL");
    await damageFiles(cache!);
    return () => site.startAgain(name);
  },

  "out of descriptors": async (_site, part, left) => {
    const { pid } = part.process;
    const before = await descriptorLimits(pid);
    const inUse = (await readdir(`/proc/${pid}/fd`)).length;
    await limitDescriptors(pid, `${inUse + left}:${before.hard}`);
    return () => limitDescriptors(pid, `${before.soft}:${before.hard}`);
  },

  "clock jump": async (_site, part, offsetMs) => {
    await writeFile(part.clockFile!, String(offsetMs));
    return () => writeFile(part.clockFile!, "0");
  },

  // Started, pulled through and ended by whoever runs the schedule.
  twin: async () => async () => {},

  "in trouble": (site, _part, percent) => trouble(site, percent),
};

/** Another port of the registry's host. */
const TROUBLED_PORT = 5001;

/** Has a program stand before the registry that is in its place for whoever connects, and for those who are connected. */
async function trouble({ scratch, registry, hosts }: Site, percent: number): Promise<Undo> {
  const { address, port, authority } = registry;
  const { cert, key } = await authority.leaf(REGISTRY_NAME, address);
  const { prefix, namespace } = hosts.parts.registry;
  const place = { address, port: TROUBLED_PORT, behind: port, cert, key, percent };
  const program = join(import.meta.dirname, "troubled_registry.mjs");
  const command = [...prefix, process.execPath, program, JSON.stringify(place)];
  const running = RunningProgram.start(scratch, command);
  await running.until("it listens", () => accepts(address, TROUBLED_PORT));
  await nft(
    namespace,
    [
      "add table ip trouble",
      "add chain ip trouble coming { type nat hook prerouting priority -100 ; }",
      `add rule ip trouble coming iifname "eth0" tcp dport ${port} redirect to :${TROUBLED_PORT}`,
    ].join("\n"),
  );
  return async () => {
    // While its packets are still the registry's: its clients hear that it has gone.
    await running.stop("SIGKILL");
    await nft(namespace, "delete table ip trouble");
  };
}

async function endAndStart(site: Site, name: Part, signal: NodeJS.Signals): Promise<Undo> {
  await site.end(name, signal);
  return () => site.startAgain(name);
}

/** Has a rule for all that comes and goes by a host's link; what stays on the host is left alone. */
async function filterPackets(namespace: string, rule: string): Promise<Undo> {
  await nft(
    namespace,
    [
      "add table inet chaos",
      "add chain inet chaos coming { type filter hook input priority 0 ; }",
      "add chain inet chaos going { type filter hook output priority 0 ; }",
      `add rule inet chaos coming iifname "eth0" ${rule}`,
      `add rule inet chaos going oifname "eth0" ${rule}`,
    ].join("\n"),
  );
  return async () => {
    await nft(namespace, "delete table inet chaos");
  };
}

async function nft(namespace: string, command: string): Promise<void> {
  await run("ip", ["netns", "exec", namespace, "nft", command], { env: programPath() });
}

/** Fills a disk to the last byte. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let size = MB; size >= 512; ) {
      // Where a large piece finds no room a small one may.
      await file.write(Buffer.alloc(size)).catch(() => {
        size /= 2;
      });
    }
  } finally {
    await file.close();
  }
}

/** Turns a byte round in every data file, in its middle. */
async function damageFiles(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.endsWith(".json") || entry.name.endsWith(".meta")) continue;
    const file = await open(join(entry.parentPath, entry.name), "r+");
    const { size } = await file.stat();
    const byte = Buffer.alloc(1);
    const at = Math.floor(size / 2);
    if ((await file.read(byte, 0, 1, at)).bytesRead === 1) {
      await file.write(Buffer.of(byte[0]! ^ 0xff), 0, 1, at);
    }
    await file.close();
  }
}

async function descriptorLimits(pid: number): Promise<{ soft: string; hard: string }> {
  const limits = await readFile(`/proc/${pid}/limits`, "utf8");
  const found = /^Max open files +(\d+) +(\d+)/m.exec(limits);
  if (!found) throw new Error(`/proc/${pid}/limits has no line for open files`);
  return { soft: found[1]!, hard: found[2]! };
}

async function limitDescriptors(pid: number, limits: string): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--nofile=${limits}`]).catch((error: Error) => {
    // It has ended meanwhile, which is looked into elsewhere.
    if (!error.message.includes("No such process")) throw error;
  });
}

function programPath(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
}
