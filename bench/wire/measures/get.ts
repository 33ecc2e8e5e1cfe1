import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { fillPageCache } from "../../full_page_cache.ts";
import { run, sample, shell } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { startDfgetHost } from "../dfget_hosts.ts";
import { GiB, writeRandomFile } from "../file_of.ts";
import type { Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { startSupernode } from "../our_programs.ts";

export const get: Measure = {
  what: "dfget of 1 GiB from one seeding peer, verified, against curl and sha256sum from nginx",
  target: "≤ 0.5",
  async run(bench) {
    const network = loopbackNetwork();
    const root = join(bench.directory, "root");
    await mkdir(root);
    bench.say("writing a file of 1 GiB, and bringing it to a peer");
    const digest = await writeRandomFile(join(root, "file"), GiB);
    const nginx = await startNginx(bench, { address: network(1), root });
    const { node } = await startSupernode(bench, { address: network(2), pattern: "source" });
    const seeding = await startDfgetHost(bench, network(3));
    const host = await startDfgetHost(bench, network(4), "5s");
    const url = `${nginx.url}/file`;
    await run(seeding.command(url, join(bench.directory, "seed"), node, digest));
    const output = join(bench.directory, "output");
    const { signal } = bench;
    const result = await compare(bench, {
      unit: "s",
      async ours() {
        await fillPageCache(bench.directory);
        const took = await run(host.command(url, output, node, digest), { signal });
        await rm(output);
        await host.empty();
        return sample(took, { cost: /cost:\S+/.exec(took.stdout)?.[0] ?? "" });
      },
      async theirs() {
        await fillPageCache(bench.directory);
        const took = await run(shell('curl -sfo "$2" "$1" && sha256sum "$2"', url, output));
        await rm(output);
        return sample(took);
      },
    });
    return [closing("get", result, "s")];
  },
};
