import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { runMain } from "../../runtime/command_line.ts";
import { freeBytes } from "../../runtime/files.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { supernodeConfig } from "../demo/configuration.ts";
import { generateImage } from "../demo/image.ts";
import { freePort, type LoopbackNetwork, loopbackNetwork } from "../demo/loopback.ts";
import { type Program, programCommand } from "../demo/program.ts";
import { REGISTRY_HOST } from "../demo/registry.ts";
import { type BenchContext, runBench } from "../run_bench.ts";
import type { Downloaded, EngineQuestion } from "./engine_program.ts";
import { type EnginesOptions, readOptions } from "./options.ts";
import { figures, renderResults, type SizeResult } from "./report.ts";
import type { SourceQuestion, SourceStarted } from "./source_program.ts";

async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  return runBench("engines", (context) => new EnginesBench(options, context).run());
}

class EnginesBench {
  readonly #options: EnginesOptions;
  readonly #context: BenchContext;
  readonly #network: LoopbackNetwork = loopbackNetwork();
  readonly #http = new HttpClient();

  constructor(options: EnginesOptions, context: BenchContext) {
    this.#options = options;
    this.#context = context;
  }

  async run(): Promise<number> {
    await this.#checkSpace();
    const { engines, processes, sizes } = this.#options;
    const images = await Promise.all(
      sizes.map((size) =>
        generateImage({
          directory: join(this.#context.directory, `image-${size}`),
          layerBytes: [size * 1e6],
          seed: `engines ${size}`,
          signal: this.#context.signal,
        }),
      ),
    );
    const hostname = this.#network(1);
    const source = this.#program("source", "source_program");
    const repositories = Object.fromEntries(
      images.map((image, at) => [`bench/${at}`, image.directory]),
    );
    const { port, caCert } = await source.ask<SourceStarted>({
      kind: "start",
      hostname,
      repositories,
    } satisfies SourceQuestion);
    const url = `https://${REGISTRY_HOST}:${port}`;
    const supernode = await this.#supernode({ hostname, port, url });

    const results: SizeResult[] = [];
    for (const [at, image] of images.entries()) {
      const [layer] = image.layers;
      const { digest, size } = layer!;
      say(`${engines} engines in ${processes} processes download ${(size / 1e6).toFixed(0)} MB`);
      const programs = await this.#engines(at, supernode, hostname);
      const before = await this.#requests(supernode);
      const downloaded = await Promise.all(
        programs.map((program) =>
          program.ask<Downloaded>({
            kind: "download",
            url: `${url}/v2/bench/${at}/blobs/${digest}`,
            digest,
            ca: caCert,
          } satisfies EngineQuestion),
        ),
      );
      const after = await this.#requests(supernode);
      const egress = await source.ask<number>({ kind: "egress", digest } satisfies SourceQuestion);
      const seconds = Math.max(...downloaded.flatMap((part) => part.seconds));
      const verified = downloaded.reduce((sum, part) => sum + part.verified, 0);
      const requests = difference(after, before);
      results.push({ bytes: size, engines, verified, seconds, requests, egress });
      await Promise.all(
        programs.map((program) => program.ask({ kind: "stop" } satisfies EngineQuestion)),
      );
      await Promise.all(programs.map((program) => program.stop()));
      await rm(this.#data(at), { recursive: true, force: true, maxRetries: 5 });
    }
    this.#http.close();
    say(renderResults(results));
    const { line, problems } = figures(results);
    for (const problem of problems) process.stderr.write(`engines: ${problem}\n`);
    say(line);
    return problems.length === 0 ? 0 : 1;
  }

  /** The engines of one size, fresh ones, shared out among processes. */
  async #engines(at: number, supernode: string, registry: string): Promise<Program[]> {
    const { engines, processes } = this.#options;
    const addresses = Array.from({ length: engines }, (_, engine) => this.#network(11 + engine));
    const each = Math.ceil(engines / processes);
    return Promise.all(
      Array.from({ length: Math.ceil(engines / each) }, async (_, process) => {
        const program = this.#program(`engines-${at}-${process}`, "engine_program");
        await program.ask({
          kind: "start",
          addresses: addresses.slice(process * each, (process + 1) * each),
          directory: this.#data(at),
          supernode,
          hostAliases: { [REGISTRY_HOST]: registry },
        } satisfies EngineQuestion);
        return program;
      }),
    );
  }

  /** @returns `host:port` */
  async #supernode(registry: { hostname: string; port: number; url: string }): Promise<string> {
    const { directory, programs, signal } = this.#context;
    const address = this.#network(2);
    const port = await freePort(address);
    const home = join(directory, "supernode");
    await mkdir(home, { recursive: true });
    const config = join(home, "supernode.yml");
    await writeFile(config, stringify(supernodeConfig({ address, port, home, registry })));
    const program = programs.start({
      label: "supernode",
      command: [...programCommand("supernode"), "--config", config],
      log: join(directory, "supernode.log"),
    });
    await program.ready(async () => {
      const ping = this.#http.text(`http://${address}:${port}/_ping`);
      return (await ping.catch(() => undefined))?.status === 200;
    }, signal);
    return `${address}:${port}`;
  }

  /** Requests that the supernode has answered, by route; not those for these numbers. */
  async #requests(supernode: string): Promise<Record<string, number>> {
    const { text } = await this.#http.text(`http://${supernode}/metrics`);
    const counts: Record<string, number> = {};
    const line =
      /^dragonfly_supernode_http_requests_total\{[^}]*\bhandler="([^"]+)"[^}]*\} (\d+)/gm;
    for (const [, handler, count] of text.matchAll(line)) {
      if (handler === "/metrics" || handler === "/_ping") continue;
      counts[handler!] = (counts[handler!] ?? 0) + Number(count);
    }
    return counts;
  }

  #program(label: string, name: string): Program {
    const { directory, programs } = this.#context;
    const file = join(dirname(fileURLToPath(import.meta.url)), `${name}.js`);
    const command = [process.execPath, file];
    return programs.start({ label, command, log: join(directory, `${label}.log`), answers: true });
  }

  #data(at: number): string {
    return join(this.#context.directory, `data-${at}`);
  }

  async #checkSpace(): Promise<void> {
    const { engines, sizes } = this.#options;
    const images = sizes.reduce((sum, size) => sum + size, 0);
    const needed = (engines * Math.max(...sizes) + images) * 1e6;
    const free = await freeBytes(this.#context.directory);
    if (free < needed)
      throw new Error(
        `${this.#context.directory} has ${Math.floor(free / 1e6)} MB free, ${engines} engines need ${needed / 1e6} MB: take smaller --sizes, fewer --engines, or another TMPDIR`,
      );
  }
}

function difference(after: Record<string, number>, before: Record<string, number>) {
  return Object.fromEntries(
    Object.entries(after).map(([route, count]) => [route, count - (before[route] ?? 0)]),
  );
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}

await runMain("engines", main);
