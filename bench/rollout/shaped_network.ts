import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One host: a network namespace with one link. */
export interface ShapedHost {
  address: string;
  /** What goes before a command so that it runs there; the process keeps its pid. */
  prefix: readonly string[];
}

/** The first three numbers of all addresses. */
const SUBNET = "10.77.0";
/** How long a packet may wait at a link, ms: what switches and hosts have by way of buffers. */
const BUFFER_MS = 50;

/**
 * Hosts on one switch, each behind a link of its own whose rate is limited both ways.
 *
 * The switch is a bridge in a namespace of its own, each host a namespace with one end of a veth pair
 * whose other end is a port of the bridge. Nothing of it is seen by this machine's own network.
 * Needs root, `ip` and `tc`.
 */
export class ShapedNetwork {
  readonly #name: string;
  readonly #namespaces: string[] = [];
  #ports = 0;

  /** @param name prefix of the namespaces' names, no other run's */
  constructor(name: string) {
    this.#name = name;
  }

  /** @throws {Error} that says what is missing where this user or machine cannot do it */
  async open(): Promise<void> {
    if (process.getuid?.() !== 0)
      throw new Error("it makes network namespaces and shapes their links: run it as root");
    await this.#namespace(this.#hub);
    await ip("-n", this.#hub, "link", "add", "switch", "type", "bridge");
    await ip("-n", this.#hub, "link", "set", "switch", "up");
  }

  /**
   * Adds a host.
   *
   * @param number 1…254, the last of its address
   * @param rate Mbit/s, each way
   */
  async host(label: string, number: number, rate: number): Promise<ShapedHost> {
    const namespace = `${this.#name}-${label}`;
    const address = `${SUBNET}.${number}`;
    const port = `port${++this.#ports}`;
    await this.#namespace(namespace);
    const hub = ["-n", this.#hub];
    const inside = ["-n", namespace];
    await ip(...hub, "link", "add", port, "type", "veth", "peer", "eth0", "netns", namespace);
    await ip(...hub, "link", "set", port, "master", "switch", "up");
    await ip(...inside, "address", "add", `${address}/24`, "dev", "eth0");
    await ip(...inside, "link", "set", "eth0", "up");
    await ip(...inside, "link", "set", "lo", "up");
    // Each end limits what it sends.
    await limit(this.#hub, port, rate);
    await limit(namespace, "eth0", rate);
    return { address, prefix: ["ip", "netns", "exec", namespace] };
  }

  /** Takes everything away; whatever still runs in the namespaces loses its network. Never throws. */
  close(): void {
    for (const namespace of this.#namespaces.splice(0)) {
      try {
        execFileSync("ip", ["netns", "del", namespace], { stdio: "ignore" });
      } catch {
        process.stderr.write(`rollout: the namespace ${namespace} could not be deleted\n`);
      }
    }
  }

  get #hub(): string {
    return `${this.#name}-switch`;
  }

  async #namespace(name: string): Promise<void> {
    await ip("netns", "add", name);
    this.#namespaces.push(name);
  }
}

async function limit(namespace: string, device: string, rate: number): Promise<void> {
  // The burst is what goes out at a millisecond's turn, and at least one offloaded packet.
  const burst = Math.max(128 * 1024, Math.round((rate * 1e6) / 8 / 1000));
  const bucket = ["tbf", "rate", `${rate}mbit`, "burst", `${burst}`, "latency", `${BUFFER_MS}ms`];
  await command("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", ...bucket);
}

function ip(...args: string[]): Promise<void> {
  return command("ip", ...args);
}

async function command(name: string, ...args: string[]): Promise<void> {
  try {
    await run(name, args);
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT") throw new Error(`there is no ${name} here: install iproute2`);
    throw new Error(`${name} ${args.join(" ")}: ${(stderr ?? "").trim() || `code ${code}`}`);
  }
}
