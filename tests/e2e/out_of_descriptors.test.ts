import { readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encrypted, PORTS } from "../bad_input/ports.ts";
import { type Site, startSite } from "../fuzz/site.ts";
import { runWell } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

const PROGRAMS = ["supernode", "plain", "secure", "dfget"] as const;

// Both, whatever the others run on: the runtimes differ in this, and Debian's packages bring Deno.
describe.each(["node", "deno"])("on %s, once there are descriptors again", (runtime) => {
  let scratch: Scratch;
  let site: Site;
  beforeAll(async () => {
    vi.stubEnv("DRAGONFLY_RUNTIME", runtime);
    scratch = await Scratch.open("descriptors");
    site = await startSite(scratch);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await scratch?.close();
  });

  it.concurrent.each(PROGRAMS)("%s answers on all its ports", async (name) => {
    const { address, process } = site[name];
    const { pid } = process;
    // Within CONNECT a connection is the one that it came by.
    const ports = Object.values(PORTS).filter(
      (port) => port !== PORTS["a connection within CONNECT"] && port.place(site).host === address,
    );
    const sockets: Socket[] = [];
    const openEach = (): Duplex[] =>
      ports.map(({ place, tls }) => {
        const socket = connect(place(site)).on("error", () => {});
        sockets.push(socket);
        return tls ? encrypted(site, socket).on("error", () => {}) : socket;
      });
    const before = await softLimit(pid);
    try {
      const old = openEach();
      for (const connection of old) await expectAnswer(connection);
      const most = (await descriptors(pid)).length;
      await limit(scratch, pid, most);
      const left = async () => most - (await descriptors(pid)).filter((one) => one < most).length;
      // They take one by one those that are left; the last ones find none.
      for (let more = 5; (await left()) > 0 || more > 0; more -= 1) {
        openEach();
        // Where it answers on an old connection it has seen the new ones, too.
        await expectAnswer(old[0]!);
      }
      await limit(scratch, pid, before);
      for (const connection of [...openEach(), ...old]) await expectAnswer(connection);
    } finally {
      await limit(scratch, pid, before);
      for (const socket of sockets) socket.destroy();
    }
  });
});

async function expectAnswer(connection: Duplex): Promise<void> {
  const came = new Promise<string>((resolve) => {
    connection.once("data", (bytes) => resolve(String(bytes)));
  });
  connection.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await came).toMatch(/^HTTP\/1\.1 (200|404) /);
}

/** Those that a process has open. */
async function descriptors(pid: number): Promise<number[]> {
  return (await readdir(`/proc/${pid}/fd`)).map(Number);
}

async function softLimit(pid: number): Promise<number> {
  const limits = await readFile(`/proc/${pid}/limits`, "utf8");
  return Number(/^Max open files +(\d+)/m.exec(limits)![1]);
}

async function limit(scratch: Scratch, pid: number, soft: number): Promise<void> {
  await runWell(scratch, ["prlimit", "--pid", String(pid), `--nofile=${soft}:`]);
}
