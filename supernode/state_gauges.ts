import { Gauge, type Registry } from "prom-client";
import type { CdnStatus } from "../protocol/v1/peers.ts";
import { expiryOf } from "../runtime/certificates.ts";
import type { Supernode } from "./app.ts";
import type { CallSystems } from "./call_systems.ts";
import { type Sharing, whyAlone } from "./shared/ownership.ts";
import type { SwarmLoad } from "./swarm/swarm_state.ts";
import { type ClientState, shownCdnStatus } from "./tasks/task.ts";

export const PREFIX = "dragonfly_supernode_";
const CDN_STATES: CdnStatus[] = ["WAITING", "RUNNING", "FAILED", "SUCCESS", "SOURCE_ERROR"];
const CLIENT_STATES: ClientState[] = ["WAITING", "RUNNING", "SUCCESS", "FAILED"];
/** More registries than this are not shown: clients name them. */
const MAX_REGISTRIES = 50;

/** The gauges of what a supernode has, and of how it is: each is read whenever the metrics are. */
export class StateGauges {
  readonly #registry: Registry;
  readonly #callSystems: CallSystems;

  constructor(registry: Registry, callSystems: CallSystems) {
    this.#registry = registry;
    this.#callSystems = callSystems;
  }

  /** Adds the gauges of what a supernode has; read whenever the metrics are. */
  watch(of: Pick<Supernode, "store" | "cache" | "downloads" | "swarmLoad">): void {
    const { store, cache, downloads } = of;
    // All gauges are read in one turn: the swarms need not be counted up for each.
    let counted: SwarmLoad | undefined;
    const swarmLoad = () => {
      if (!counted) {
        counted = of.swarmLoad();
        queueMicrotask(() => {
          counted = undefined;
        });
      }
      return counted;
    };
    this.#gauge("swarm_members", "Members of swarms, by state", ["state"], (gauge) => {
      const { downloading, complete } = swarmLoad();
      gauge.set({ state: "downloading" }, downloading);
      gauge.set({ state: "complete" }, complete);
    });
    this.#gauge("swarm_runners", "Members of swarms that fetch from outside", [], (gauge) => {
      gauge.set(swarmLoad().runners);
    });
    this.#gauge("swarm_leases", "Leases to fetch from outside that are held", [], (gauge) => {
      gauge.set(swarmLoad().leases);
    });
    this.#gauge(
      "swarm_open_blocks",
      "Blocks of 256 KiB to 1 MiB that are still to be leased, in swarms that download",
      [],
      (gauge) => gauge.set(swarmLoad().openBlocks),
    );
    this.#gauge("source_downloads", "Downloads from sources, by state", ["state"], (gauge) => {
      const { running, waiting } = downloads();
      gauge.set({ state: "running" }, running);
      gauge.set({ state: "waiting" }, waiting);
    });
    this.#gauge(
      "source_connections",
      "Connections of nodes to a registry for swarms: in use, and as many as its link needs",
      ["registry", "state"],
      (gauge) => {
        const { connections } = swarmLoad();
        // Clients name the registries: those that matter are in use.
        const busiest = connections.sort((a, b) => b.used - a.used).slice(0, MAX_REGISTRIES);
        for (const { registry, used, wanted } of busiest) {
          gauge.set({ registry: registry || "(own copies)", state: "used" }, used);
          gauge.set({ registry: registry || "(own copies)", state: "wanted" }, wanted);
        }
      },
    );
    this.#gauge("cache_size_bytes", "Bytes of own copies on disk", [], async (gauge) => {
      gauge.set((await cache.totals()).bytes);
    });
    this.#gauge("cache_free_bytes", "Bytes free on the disk of own copies", [], async (gauge) => {
      const free = await cache.freeBytes().catch(() => undefined);
      if (free === undefined) gauge.remove();
      else gauge.set(free);
    });
    this.#gauge("peers", "Peers known", ["peer"], (gauge) => {
      for (const { hostName, ip } of store.peers()) gauge.inc({ peer: `${hostName}-${ip}` });
    });
    this.#gauge("tasks", "Tasks by the state of our own copy", ["cdnstatus"], (gauge) => {
      for (const cdnstatus of CDN_STATES) gauge.set({ cdnstatus }, 0);
      for (const task of store.tasks()) gauge.inc({ cdnstatus: shownCdnStatus(task) });
    });
    this.#gauge("dfgettasks", "Downloads by state", ["callsystem", "status"], (gauge) => {
      for (const callsystem of this.#callSystems.names()) {
        for (const status of CLIENT_STATES) gauge.set({ callsystem, status }, 0);
      }
      for (const { callSystem, state } of store.clients()) {
        gauge.inc({ callsystem: this.#callSystems.shown(callSystem), status: state });
      }
    });
  }

  /** Shows whether own copies can be written; `undefined`: they can. */
  watchCache(whyUnusable: () => Promise<string | undefined>): void {
    this.#gauge(
      "cache_writable",
      "Whether own copies can be written: 0 where the second line of /readyz says why not",
      [],
      async (gauge) => gauge.set((await whyUnusable()) === undefined ? 1 : 0),
    );
  }

  /** Shows whether tasks are shared with other supernodes, where that is configured. */
  watchSharing(read: () => Sharing | undefined): void {
    this.#gauge(
      "state_shared",
      "Whether tasks are shared with other supernodes: 0 while the shared state does not answer, or another supernode goes by the same address; no series without one, nor while draining",
      [],
      (gauge) => {
        const sharing = read();
        if (!sharing || sharing.state === "left") gauge.remove();
        else gauge.set(whyAlone(sharing) === undefined ? 1 : 0);
      },
    );
  }

  /**
   * Shows when certificates expire.
   *
   * @param read PEM of those in use, by the keys of the configuration that name them
   */
  watchCertificates(read: () => Readonly<Record<string, string>>): void {
    this.#gauge(
      "certificate_expiry_timestamp_seconds",
      "When a certificate that the supernode uses expires, in seconds since the epoch",
      ["certificate"],
      (gauge) => {
        for (const [certificate, pem] of Object.entries(read())) {
          gauge.set({ certificate }, expiryOf(pem) / 1000);
        }
      },
    );
  }

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    fill: Fill<Label>,
  ): void {
    gaugeIn(this.#registry, name, help, labelNames, fill);
  }
}

type Fill<Label extends string> = (gauge: Gauge<Label>) => void | Promise<void>;

/** A gauge, filled whenever it is read where `fill` is given. */
export function gaugeIn<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: Label[] = [],
  fill?: Fill<Label>,
): Gauge<Label> {
  const collect = function (this: Gauge<Label>) {
    this.reset();
    return fill?.(this);
  };
  return new Gauge({
    name: PREFIX + name,
    help,
    labelNames,
    registers: [registry],
    ...(fill ? { collect } : {}),
  });
}
