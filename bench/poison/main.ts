import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { POISONS, type Poison } from "../../tests/support/poisoned_node.ts";
import { type GeneratedImage, generateImage } from "../demo/image.ts";
import type { Program } from "../demo/program.ts";
import { REGISTRY_HOST } from "../demo/registry.ts";
import { Fleet } from "../rollout/fleet.ts";
import { type ShapedHost, ShapedNetwork } from "../rollout/shaped_network.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import { type PoisonOptions, readOptions } from "./options.ts";
import type { Poisoned, PoisonQuestion } from "./poisoned_program.ts";
import { figures, LONE_HOLDER, type Way, type WayRun } from "./report.ts";

/** Millions of bytes of what the nodes pull before anything is measured. */
const WARM_UP_MB = 10;
/** Last number of the poisoned peer's address. */
const POISONED_HOST = 250;
const POISONED_PORT = 15001;

const WAYS: readonly Way[] = ["honest", ...(Object.keys(POISONS) as Poison[]), LONE_HOLDER];

interface Bench {
  fleet: Fleet;
  poisoned: { host: ShapedHost; program: Program };
  images: Readonly<Record<string, GeneratedImage>>;
}

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  return runBench("poison", (context) => poison(options, context));
}

async function poison(options: PoisonOptions, context: BenchContext): Promise<number> {
  const { nodes, size, rate, runs } = options;
  const network = new ShapedNetwork(`dragonfly-${process.pid}`);
  context.atEnd(() => network.close());
  await network.open();
  const images: Record<string, GeneratedImage> = {};
  const make = async (repository: string, megabytes: number) => {
    const directory = join(context.directory, "images", repository);
    const { signal } = context;
    images[repository] = await generateImage({
      directory,
      layerBytes: [megabytes * 1e6],
      seed: repository,
      signal,
    });
  };
  say(`making ${runs * WAYS.length} layers of ${size} MB: what was pulled once is in the caches`);
  await make("warm-up", WARM_UP_MB);
  for (let run = 0; run < runs; run++) {
    for (const way of WAYS) await make(repositoryOf(run, way), size);
  }
  say(`starting a registry, a supernode and ${nodes + 1} nodes, each link ${rate} Mbit/s`);
  const fleet = await Fleet.start({ context, network, images, nodes: nodes + 1, rate });
  const host = await network.host("poisoned", POISONED_HOST, rate);
  const program = context.programs.start({
    label: "poisoned",
    command: [...host.prefix, process.execPath, join(import.meta.dirname, "poisoned_program.js")],
    log: join(context.directory, "poisoned.log"),
    answers: true,
  });
  const bench: Bench = { fleet, images, poisoned: { host, program } };
  await Promise.all(fleet.nodes.map((node) => fleet.pull(node, "warm-up", "p2p")));

  const all: WayRun[] = [];
  for (let run = 0; run < runs; run++) {
    for (const way of WAYS) {
      const one = await runOne(bench, way, repositoryOf(run, way));
      const found = one.poisoned
        ? `, one node took ${one.poisoned.mostTaken} wrong blocks${one.poisoned.refused ? ", the supernode refuses it" : ""}`
        : "";
      say(
        `  run ${run + 1}, ${way}: ${one.seconds.toFixed(2)} s, ${one.egress.toFixed(2)} times from the registry${found}`,
      );
      all.push(one);
    }
  }
  const { lines, problems } = figures(all, nodes);
  for (const problem of problems) process.stderr.write(`poison: ${problem}\n`);
  say(lines.join("\n"));
  return problems.length === 0 ? 0 : 1;
}

/** Has all nodes but the last pull, and that one or the poisoned peer beside them. */
async function runOne(bench: Bench, way: Way, repository: string): Promise<WayRun> {
  const { fleet, images, poisoned } = bench;
  const honest = fleet.nodes.slice(0, -1);
  const last = fleet.nodes.slice(-1);
  const tell = <Result>(question: PoisonQuestion) => poisoned.program.ask<Result>(question);
  if (way !== "honest") {
    const { directory, layers } = images[repository]!;
    const [algorithm, hex] = layers[0]!.digest.split(":");
    await tell({
      kind: "join",
      supernode: fleet.supernodeNode,
      url: `https://${REGISTRY_HOST}:${fleet.place.port}/v2/${repository}/blobs/${layers[0]!.digest}`,
      path: join(directory, "blobs", algorithm!, hex!),
      poison: way === LONE_HOLDER ? "sends a byte a second" : way,
      tells: way === LONE_HOLDER ? "what is right" : undefined,
      place: { address: poisoned.host.address, port: POISONED_PORT },
      authority: fleet.place.caCert,
    });
  }
  const sentBefore = await fleet.egress();
  const pullers = way === "honest" ? [...honest, ...last] : honest;
  const pulled = await Promise.all(pullers.map((node) => fleet.pull(node, repository, "p2p")));
  const wrong = pulled.filter(({ verified, digests }) => verified < digests).length;
  return {
    way,
    egress: ((await fleet.egress()) - sentBefore) / images[repository]!.layers[0]!.size,
    seconds: Math.max(...pulled.slice(0, honest.length).map(({ seconds }) => seconds)),
    wrong,
    poisoned: way === "honest" ? undefined : await tell<Poisoned>({ kind: "leave" }),
  };
}

function repositoryOf(run: number, way: Way): string {
  return `bench/run-${run}-${WAYS.indexOf(way)}`;
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}

await runMain("poison", main);
