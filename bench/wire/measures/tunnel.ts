import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { createFileAuthority } from "../certificates.ts";
import { run, sample } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { GiB, writeRandomFile } from "../file_of.ts";
import type { Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { startDfdaemon } from "../our_programs.ts";

export const tunnel: Measure = {
  what: "1 GiB by curl and TLS through a blind CONNECT tunnel, against direct",
  target: "≤ 1.3",
  async run(bench) {
    const network = loopbackNetwork();
    const root = join(bench.directory, "root");
    await mkdir(root);
    bench.say("writing a file of 1 GiB");
    await writeRandomFile(join(root, "file"), GiB);
    const authority = await createFileAuthority(bench.directory, "authority");
    const tls = await authority.leaf(network(1));
    const nginx = await startNginx(bench, { address: network(1), root, tls });
    const node = await startDfdaemon(bench, { address: network(2) });
    const curl = ["curl", "-sf", "--cacert", join(authority.trust, "ca.crt"), "-o", "/dev/null"];
    const url = `${nginx.url}/file`;
    const { signal } = bench;
    const result = await compare(bench, {
      unit: "s",
      ours: async () => sample(await run([...curl, "--proxy", node.url, url], { signal })),
      theirs: async () => sample(await run([...curl, "--noproxy", "*", url], { signal })),
    });
    return [closing("tunnel", result, "s")];
  },
};
