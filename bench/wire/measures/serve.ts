import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopbackNetwork } from "../../demo/loopback.ts";
import { processUsage } from "../../process_usage.ts";
import { run } from "../command.ts";
import { closing, compare } from "../compare.ts";
import { GiB, MiB, writeRandomFile } from "../file_of.ts";
import type { Measure, Sample } from "../measure.ts";
import { startNginx } from "../nginx.ts";
import { startDfdaemon } from "../our_programs.ts";

const PIECE = 4 * MiB;
const SECONDS = 6;
/** Name of the cached file. */
const NAME = "wire-1-1.0";

/** Asks for random pieces; nginx reads nothing of it but the range. */
const SCRIPT = `math.randomseed(os.time())
request = function()
  local piece = math.random(0, ${GiB / PIECE - 1})
  return wrk.format("GET", nil, {
    ["Range"] = string.format("bytes=%d-%d", piece * ${PIECE}, (piece + 1) * ${PIECE} - 1),
    ["pieceNum"] = tostring(piece), ["pieceSize"] = "${PIECE}", ["cdnSource"] = "source",
  })
end
`;

export const serve: Measure = {
  what: "random 4 MiB pieces of a cached file from our peer server, against nginx with sendfile",
  target: "≥ 1.5, RSS ≤ 200 MB",
  async run(bench) {
    const network = loopbackNetwork();
    const home = join(bench.directory, "node");
    const data = join(home, "data");
    await mkdir(data, { recursive: true });
    const file = join(data, `${NAME}.service`);
    bench.say("writing a file of 1 GiB");
    const digest = await writeRandomFile(file, GiB);
    await writeFile(`${file}.json`, JSON.stringify(indexOf(digest)));
    const script = join(bench.directory, "pieces.lua");
    await writeFile(script, SCRIPT);
    const nginx = await startNginx(bench, { address: network(1), root: data });
    const node = await startDfdaemon(bench, { address: network(2), home });

    const load = async (url: string, pid: number): Promise<Sample> => {
      const cpu = (await processUsage(pid)).cpuSeconds;
      const command = ["wrk", "-t1", "-c4", `-d${SECONDS}s`, "-s", script, url];
      const { stdout } = await run(command, { signal: bench.signal });
      const value = bytesPerSecond(stdout) / 1e9;
      const used = ((await processUsage(pid)).cpuSeconds - cpu) / (value * SECONDS);
      return { value, notes: { cpu: `${used.toFixed(2)} s/GB` } };
    };
    const server = `http://${network(2)}:${node.peerPort}`;
    // Announced as by a program of v1: it needs no pass.
    await fetch(`${server}/check/${NAME}`);
    const ours = `${server}/peer/file/${NAME}`;
    const result = await compare(bench, {
      unit: "GB/s",
      ours: () => load(ours, node.program.pid),
      theirs: async () => load(`${nginx.url}/${NAME}.service`, await workerOf(nginx.program.pid)),
    });
    const { rss, peakRss } = await processUsage(node.program.pid);
    const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
    return [
      `RSS of our peer server: ${mb(rss)} MB, at most ${mb(peakRss)} MB`,
      closing("serve", result, "GB/s"),
    ];
  },
};

/** The process of nginx that does the work. */
async function workerOf(pid: number): Promise<number> {
  const { stdout } = await run(["pgrep", "-P", String(pid)]);
  return Number(stdout.split("\n")[0]);
}

function indexOf(digest: string) {
  return {
    version: 1,
    key: `sha256:${digest}`,
    taskId: "",
    cid: "",
    supernode: "",
    name: NAME,
    length: GiB,
    pieceSize: PIECE,
    framed: false,
    pieces: Array.from({ length: GiB / PIECE }, (_, piece) => piece),
    verified: true,
    touchedMs: Date.now(),
  };
}

/** What wrk says at its end, whose units are powers of 1024. */
export function bytesPerSecond(output: string): number {
  const [, number, unit] = /Transfer\/sec:\s*([\d.]+)([KMG]?B)/.exec(output) ?? [];
  if (!number || /Non-2xx|Socket errors/.test(output)) throw new Error(`wrk says:\n${output}`);
  return Number(number) * { B: 1, KB: 1024, MB: MiB, GB: GiB }[unit as "B"];
}
