import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { freePort, loopbackNetwork } from "../../demo/loopback.ts";
import { run, sample } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { startDfgetHost } from "../dfget_hosts.ts";
import { GiB, writeRandomFile } from "../file_of.ts";
import type { Bench, Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { answers, startSupernode } from "../our_programs.ts";

export const getV1: Measure = {
  what: "dfget of 1 GiB from one seeding peer, against v1.0.6's programs (DRAGONFLY_V1_BIN names their directory)",
  target: "wall ≤ 0.5, CPU ≤ 0.8",
  async run(bench) {
    const bin = process.env.DRAGONFLY_V1_BIN;
    if (!bin || !existsSync(join(bin, "dfget")))
      throw new Error(
        "set DRAGONFLY_V1_BIN to the directory with dfget and supernode of Dragonfly v1.0.6",
      );
    const network = loopbackNetwork();
    const root = join(bench.directory, "root");
    await mkdir(root);
    const digest = await writeRandomFile(join(root, "file"), GiB);
    const nginx = await startNginx(bench, { address: network(1), root });
    const url = `${nginx.url}/file`;
    const output = join(bench.directory, "output");
    const { node } = await startSupernode(bench, { address: network(2), pattern: "source" });
    const seeding = await startDfgetHost(bench, network(3));
    const host = await startDfgetHost(bench, network(4), "5s");
    await run(seeding.command(url, join(bench.directory, "seed"), node, digest));

    const theirs = await startV1Supernode(bench, bin, network(5));
    const theirDfget = (home: string, ip: string, to: string) => [
      join(bin, "dfget"),
      ...["-u", url, "-o", to, "--node", theirs, "--ip", ip, "--home", home],
      ...["--locallimit", "2G", "--alivetime", "5s", "--expiretime", "3s"],
    ];
    const longLived = (command: string[]) => [
      ...command,
      "--alivetime",
      "1h",
      "--expiretime",
      "1h",
    ];
    const seedHome = join(bench.directory, "v1-seed");
    await run(longLived(theirDfget(seedHome, network(6), join(bench.directory, "v1-seeded"))));
    const cpu = { ours: [] as number[], theirs: [] as number[] };
    const result = await compare(bench, {
      unit: "s",
      async ours() {
        const took = await run(host.command(url, output, node, digest));
        cpu.ours.push(took.cpuSeconds);
        await rm(output);
        await host.empty();
        return sample(took);
      },
      async theirs(time) {
        const home = join(bench.directory, `v1-${time}`);
        const took = await run(theirDfget(home, network(7), output));
        cpu.theirs.push(took.cpuSeconds);
        await rm(output);
        // Its server ends, and tells the supernode so, before the next run.
        await sleep(12_000, undefined, { signal: bench.signal });
        await rm(home, { recursive: true, force: true });
        return sample(took);
      },
    });
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return [
      `get-v1 CPU ratio=${(sum(cpu.ours) / sum(cpu.theirs)).toFixed(2)}`,
      closing("get-v1", result, "s"),
    ];
  },
};

async function startV1Supernode(bench: Bench, bin: string, address: string): Promise<string> {
  const port = await freePort(address);
  const downloadPort = await freePort(address, port);
  const home = join(bench.directory, "v1-supernode");
  await mkdir(home, { recursive: true });
  const config = join(home, "supernode.yml");
  await writeFile(
    config,
    stringify({
      base: {
        listenPort: port,
        downloadPort,
        homeDir: home,
        cdnPattern: "source",
        advertiseIP: address,
        maxBandwidth: "2G",
      },
    }),
  );
  const program = bench.programs.start({
    label: "v1 supernode",
    command: [join(bin, "supernode"), "--config", config],
    log: join(home, "output.log"),
  });
  await answers(bench, program, `http://${address}:${port}/_ping`);
  return `${address}:${port}`;
}
