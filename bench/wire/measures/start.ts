import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { run } from "../command.ts";
import { median } from "../compare.ts";
import { startDfgetHost } from "../dfget_hosts.ts";
import { writeRandomFile } from "../file_of.ts";
import type { Bench, Measure } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { ourCommand, startSupernode } from "../our_programs.ts";

/** Starts are short: more of them. */
const TIMES = 4;
/** What must be reached, ms. */
const VERSION_MS = 120;
const SMALL_MS = 350;

export const start: Measure = {
  what: "dfget --version; dfget of 1 kB with a supernode and a peer server running",
  target: "≤ 120 ms; ≤ 350 ms",
  async run(bench) {
    const network = loopbackNetwork();
    const root = join(bench.directory, "root");
    await mkdir(root);
    const nginx = await startNginx(bench, { address: network(1), root });
    const { node } = await startSupernode(bench, { address: network(2), pattern: "source" });
    const host = await startDfgetHost(bench, network(3));
    const bare = bench.options.runtime === "deno" ? ["eval", "0"] : ["-e", "0"];
    const runtime = ourCommand(bench, "dfget")[0]!;
    const version: number[] = [];
    const small: number[] = [];
    const runtimeAlone: number[] = [];
    for (let time = 0; time < bench.options.runs * TIMES; time++) {
      runtimeAlone.push(await ms(bench, [runtime, ...bare]));
      version.push(await ms(bench, [...ourCommand(bench, "dfget"), "--version"]));
      const name = `small-${time}`;
      await writeRandomFile(join(root, name), 1000, name);
      const output = join(bench.directory, name);
      small.push(await ms(bench, host.command(`${nginx.url}/${name}`, output, node)));
      await rm(output);
    }
    const text = (value: number) => `${value.toFixed(0)} ms`;
    const line = (what: string, value: number, limit: number) =>
      `start ${what} ratio=${(value / limit).toFixed(2)} (ours ${text(value)}, theirs ${text(limit)}: what must be reached)`;
    return [
      `the runtime alone: ${text(median(runtimeAlone))}`,
      line("--version", median(version), VERSION_MS),
      line("1 kB", median(small), SMALL_MS),
    ];
  },
};

async function ms({ signal }: Bench, command: readonly string[]): Promise<number> {
  return (await run(command, { signal })).seconds * 1000;
}
