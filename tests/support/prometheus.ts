import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress } from "./addresses.ts";
import type { Cluster } from "./cluster.ts";
import { RunningProgram, until } from "./process.ts";
import type { Scratch } from "./scratch.ts";

/** The alerts that the packages bring. */
export const ALERTS = resolve(import.meta.dirname, "../../packaging/prometheus/alerts.yml");

/** What in the rules is for a production's sizes, and what it is here. */
const SIZES = [
  ["dfdaemon_cache_free_bytes < 2e9", "dfdaemon_cache_free_bytes < 32e6"],
  ["> 10e9", "> 10e6"],
] as const;

/** How often it asks, and looks at its rules: a test does not wait for minutes. */
const INTERVAL = "500ms";

/** One series of an answer, with its value now. */
export interface Series {
  metric: Record<string, string>;
  value: number;
}

interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: string;
}

/** A Prometheus that scrapes a cluster, whose nodes are reached by TLS, as docs/monitoring.md has it. */
export class Prometheus {
  readonly #url: string;
  readonly #process: RunningProgram;

  private constructor(url: string, process: RunningProgram) {
    this.#url = url;
    this.#process = process;
  }

  /**
   * Starts it with our alerts, which here do not wait (`for: 0s`), and speak of megabytes where they speak of
   * gigabytes.
   *
   * @param caFile PEM of the authority that signs for the nodes
   */
  static async start(scratch: Scratch, cluster: Cluster, caFile: string): Promise<Prometheus> {
    const address = freshAddress();
    const port = await freePort(address);
    const home = await scratch.directory("prometheus");
    const rules = join(home, "alerts.yml");
    let alerts = await readFile(ALERTS, "utf8");
    for (const [there, here] of SIZES) {
      if (!alerts.includes(there)) throw new Error(`no alert says "${there}" any more`);
      alerts = alerts.replace(there, here);
    }
    await writeFile(rules, alerts.replace(/\bfor: \w+/g, "for: 0s"));
    const config = join(home, "prometheus.yml");
    const nodes = cluster.nodes.map((node) => `${node.address}:${node.port}`);
    await writeFile(
      config,
      stringify({
        global: {
          scrape_interval: INTERVAL,
          scrape_timeout: INTERVAL,
          evaluation_interval: INTERVAL,
        },
        rule_files: [rules],
        scrape_configs: [
          {
            job_name: "dragonfly-supernode",
            static_configs: [{ targets: [cluster.supernode.node] }],
          },
          {
            job_name: "dragonfly-dfdaemon",
            scheme: "https",
            tls_config: { ca_file: caFile },
            static_configs: [{ targets: nodes }],
          },
        ],
      }),
    );
    const process = RunningProgram.start(scratch, [
      "prometheus",
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(home, "data")}`,
      `--web.listen-address=${address}:${port}`,
    ]);
    const url = `http://${address}:${port}`;
    await process.until("it is ready", () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return new Prometheus(url, process);
  }

  /** What PromQL gives now; throws its reason where it is no PromQL. */
  async query(expr: string): Promise<Series[]> {
    const body = new URLSearchParams({ query: expr });
    const answer = await fetch(`${this.#url}/api/v1/query`, { method: "POST", body });
    const { data, error } = (await answer.json()) as {
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
      error?: string;
    };
    if (!data) throw new Error(`${expr}: ${error}`);
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** Waits until an alert fires, with these labels. */
  async fires(name: string, labels: Record<string, string> = {}): Promise<Alert> {
    const wanted = Object.entries({ ...labels, alertname: name });
    let found: Alert | undefined;
    await until(`${name} fires`, async () => {
      found = (await this.alerts()).find((alert) =>
        wanted.every(([label, value]) => alert.labels[label] === value),
      );
      return found !== undefined;
    });
    return found!;
  }

  /** All that fire now. */
  async alerts(): Promise<Alert[]> {
    const answer = await fetch(`${this.#url}/api/v1/alerts`);
    const { data } = (await answer.json()) as { data: { alerts: Alert[] } };
    return data.alerts.filter(({ state }) => state === "firing");
  }

  stop(): Promise<unknown> {
    return this.#process.stop();
  }
}
