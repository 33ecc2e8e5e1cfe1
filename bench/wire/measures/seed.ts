import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { runAll, sample, shell } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { startDfgetHost } from "../dfget_hosts.ts";
import { GiB, writeRandomFile } from "../file_of.ts";
import type { Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { startSupernode } from "../our_programs.ts";

const CLIENTS = [0, 1, 2, 3];

export const seed: Measure = {
  what: "a supernode (pattern local) that fetches 1 GiB while 4 dfgets follow, against 4 curls at once",
  target: "≤ 1.0",
  async run(bench) {
    const network = loopbackNetwork();
    const root = join(bench.directory, "root");
    await mkdir(root);
    bench.say("writing a file of 1 GiB");
    const digest = await writeRandomFile(join(root, "file"), GiB);
    const nginx = await startNginx(bench, { address: network(1), root });
    const hosts = await Promise.all(
      CLIENTS.map((client) => startDfgetHost(bench, network(10 + client), "5s")),
    );
    const url = `${nginx.url}/file`;
    const output = (client: number) => join(bench.directory, `output-${client}`);
    const clean = () => Promise.all(CLIENTS.map((client) => rm(output(client))));
    const { signal } = bench;
    const result = await compare(bench, {
      unit: "s",
      async ours() {
        const supernode = await startSupernode(bench, { address: network(2), pattern: "local" });
        await fillPageCache(bench.directory);
        const took = await runAll(
          hosts.map((host, client) => host.command(url, output(client), supernode.node, digest)),
          () => ({ signal }),
        );
        await clean();
        await Promise.all(hosts.map((host) => host.empty()));
        await supernode.program.stop();
        await rm(supernode.home, { recursive: true, force: true });
        return sample(took);
      },
      async theirs() {
        const script = 'curl -sfo "$2" "$1" && sha256sum "$2"';
        await fillPageCache(bench.directory);
        const took = await runAll(
          CLIENTS.map((client) => shell(script, url, output(client))),
          () => ({ signal }),
        );
        await clean();
        return sample(took);
      },
    });
    return [closing("seed", result, "s")];
  },
};
