import { ShapedNetwork } from "../../bench/rollout/shaped_network.ts";
import type { Place } from "../support/addresses.ts";
import { NODES, type Part } from "./schedule.ts";

/** Mbit/s of each link: slow enough that a pull has a middle. */
const RATE = 80;

/** The hosts of a run: the parts', and one for whoever sets the faults and looks at what comes of them. */
export interface Hosts {
  parts: Record<Part, Place & { namespace: string }>;
  onlooker: Place;
}

/**
 * Makes the hosts, each a network namespace of its own on one switch; nothing of it is seen by this
 * machine's own network.
 *
 * @throws {Error} that says what is missing where this user or machine cannot do it
 */
export async function openHosts(name: string): Promise<{ hosts: Hosts; network: ShapedNetwork }> {
  const network = new ShapedNetwork(name);
  try {
    await network.open();
    const host = async (label: string, number: number) => ({
      ...(await network.host(label, number, RATE)),
      namespace: `${name}-${label}`,
    });
    const parts: Hosts["parts"] = {
      registry: await host("registry", 1),
      supernode: await host("supernode", 2),
    };
    for (let node = 0; node < NODES; node++) {
      parts[`node${node}`] = await host(`node${node}`, 11 + node);
    }
    return { hosts: { parts, onlooker: await host("onlooker", 254) }, network };
  } catch (error) {
    network.close();
    throw error;
  }
}
