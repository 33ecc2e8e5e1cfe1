import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type LoopbackNetwork, loopbackNetwork } from "../../demo/loopback.ts";
import { startBlobClients } from "../blob_clients.ts";
import { run } from "../command.ts";
import { startDfgetHost } from "../dfget_hosts.ts";
import { writeRandomFile } from "../file_of.ts";
import type { Bench, Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { startSupernode } from "../our_programs.ts";
import { Site } from "../site.ts";
import { onLoopback } from "./pull.ts";

/** Bytes a second. */
const RATES = [1e6, 10e6, 50e6, 200e6];
const SECONDS = 10;
/** By how much a rate may be missed. */
const TOLERANCE = 0.05;
/** Blobs that share one limit, and their rate all together. */
const TASKS = 4;
const SHARED_RATE = 40e6;
const REPOSITORY = "library/wire";

export const limits: Measure = {
  what: "limits of rate over 10 s at 1 to 200 MB/s, and how equally tasks share one",
  target: "within 5 %",
  async run(bench) {
    const network = loopbackNetwork();
    let worst = 0;
    const note = (off: number) => {
      worst = Math.max(worst, Math.abs(off));
      return off;
    };
    for (const rate of RATES) {
      for (const [name, took] of Object.entries(await secondsOf(bench, network, rate)))
        bench.say(`${name} at ${rate / 1e6} MB/s: ${percent(note(SECONDS / took - 1))}`);
    }
    const seconds = await shared(bench);
    for (const took of seconds) note(took / SECONDS - 1);
    return [
      `${TASKS} tasks share ${SHARED_RATE / 1e6} MB/s: done after ${seconds.map((took) => took.toFixed(2)).join(", ")} s of ${SECONDS}`,
      `limits ratio=${(worst / TOLERANCE).toFixed(2)} (ours ${percent(worst)}, theirs ${percent(TOLERANCE)}: what must be reached)`,
    ];
  },
};

/** How long each kind of limit makes a file last that should take {@link SECONDS}, s. */
async function secondsOf(
  bench: Bench,
  network: LoopbackNetwork,
  rate: number,
): Promise<Record<string, number>> {
  const root = join(bench.directory, "root");
  await mkdir(root, { recursive: true });
  await writeRandomFile(join(root, "file"), rate * SECONDS);
  const nginx = await startNginx(bench, { address: network(1), root });
  const direct = await startSupernode(bench, { address: network(2), pattern: "source" });
  const seeding = await startSupernode(bench, {
    address: network(3),
    pattern: "local",
    sourceRate: rate,
  });
  const limited = ["--uploadlimit", String(rate)];
  const giver = await startDfgetHost(bench, network(4), "1h0m0s", limited);
  const url = `${nginx.url}/file`;
  let outputs = 0;
  const cost = async (node: string, address: number, ...flags: string[]) => {
    const host = await startDfgetHost(bench, network(address));
    const output = join(bench.directory, `output-${++outputs}`);
    const took = await run(host.command(url, output, node, undefined, flags), {
      signal: bench.signal,
    });
    await rm(output);
    await rm(host.home, { recursive: true });
    return Number(/cost:([\d.]+)s/.exec(took.stdout)?.[1] ?? Number.NaN);
  };
  const output = join(bench.directory, "seed");
  await run(giver.command(url, output, direct.node));
  await rm(output);
  const taken = {
    "--uploadlimit": await cost(direct.node, 5),
    "--locallimit": await cost(direct.node, 6, "--locallimit", String(rate)),
    "--locallimit, from the source": await cost(
      direct.node,
      7,
      ...["-p", "source", "--locallimit", String(rate)],
    ),
    "--totallimit": await cost(direct.node, 8, "--totallimit", String(rate)),
    "what a supernode takes from sources": await cost(seeding.node, 9),
  };
  await Promise.all([direct, seeding, nginx].map(({ program }) => program.stop()));
  await Promise.all(
    [giver, direct, seeding].map(({ home }) => rm(home, { recursive: true, force: true })),
  );
  return taken;
}

/** When blobs of the same size are whole that come through one dfdaemon at the same time, s. */
async function shared(bench: Bench): Promise<number[]> {
  const site = await Site.open(bench, onLoopback(loopbackNetwork(), 1));
  const { registry } = site;
  const size = (SHARED_RATE * SECONDS) / TASKS;
  const image = await registry.push(
    REPOSITORY,
    Array.from({ length: TASKS }, () => size),
  );
  const [node] = await site.cold(String(SHARED_RATE));
  // Each in a process of its own: their clocks are to be theirs.
  const answers = await Promise.all(
    image.layers.map(({ digest }, index) =>
      startBlobClients(bench, `client-${index}`).get([site.blob(REPOSITORY, digest, node)]),
    ),
  );
  await site.close();
  return answers.map(({ seconds }) => seconds);
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
