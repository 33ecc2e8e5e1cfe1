import type { HttpClient } from "../../runtime/http_client.ts";
import type { SupernodeAddress } from "../contract.ts";
import { SupernodeClient } from "./supernode_client.ts";

/** Milliseconds for which a supernode that did not answer is left alone, unless it answers a ping. */
const REST_MS = 10_000;
/** Supernodes outside the list that are remembered at most. */
const MAX_OTHERS = 32;
/** Milliseconds between pings meanwhile, in the mean. */
const PING_MS = 1000;

/**
 * The order in which to try supernodes: weighted at random, so that the clients of a large fleet
 * spread over them (protocol §4).
 */
export function weightedOrder<Item extends { weight: number }>(
  items: readonly Item[],
  random: () => number,
): Item[] {
  const left = [...items];
  const order: Item[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, item) => sum + Math.max(item.weight, 0), 0);
    let point = random() * total;
    let index = left.findIndex((item) => (point -= Math.max(item.weight, 0)) < 0);
    if (index < 0) index = 0;
    order.push(...left.splice(index, 1));
  }
  return order;
}

/** The supernodes that a node knows, and which of them did not answer of late. */
export class SupernodeList {
  readonly #http: HttpClient;
  #clients: SupernodeClient[];
  /** By `performance.now()`: a clock that is set must not keep a supernode from us. */
  readonly #restUntil = new Map<SupernodeClient, number>();
  readonly #pinging = new Set<SupernodeClient>();
  /** Those outside the list that others of it have named, the one named the longest ago first. */
  readonly #others = new Map<string, SupernodeClient>();

  constructor(addresses: readonly SupernodeAddress[], http: HttpClient) {
    this.#http = http;
    this.#clients = addresses.map((address) => new SupernodeClient(address, http));
  }

  /** Takes another list; what is known of those that stay is kept. */
  replace(addresses: readonly SupernodeAddress[]): void {
    this.#clients = addresses.map((address) => {
      const known = this.#clients.find(
        (client) =>
          client.address.host === address.host &&
          client.address.port === address.port &&
          client.address.weight === address.weight,
      );
      return known ?? new SupernodeClient(address, this.#http);
    });
  }

  get size(): number {
    return this.#clients.length;
  }

  /**
   * Those worth a try now, in the order to try them.
   *
   * @param nowMs `performance.now()`
   */
  candidates(nowMs: number, random: () => number): SupernodeClient[] {
    const awake = this.#clients.filter((client) => (this.#restUntil.get(client) ?? 0) <= nowMs);
    return weightedOrder(
      awake.map((client) => ({ client, weight: client.address.weight })),
      random,
    ).map(({ client }) => client);
  }

  /**
   * Remembers that a supernode did not answer. As soon as it does again it is used again: a restart of
   * it takes seconds.
   *
   * @param nowMs `performance.now()`
   */
  lost(client: SupernodeClient, nowMs: number): void {
    this.#restUntil.set(client, nowMs + REST_MS);
    if (this.#pinging.has(client)) return;
    this.#pinging.add(client);
    this.#pingSoon(client);
  }

  /** Remembers that it did. */
  answered(client: SupernodeClient): void {
    this.#restUntil.delete(client);
  }

  /**
   * The supernode that another one says to go on with, in the list or not.
   *
   * @param name `address:port`
   * @param nowMs `performance.now()`
   * @returns `undefined` where it did not answer of late
   */
  follow(name: string, nowMs: number): SupernodeClient | undefined {
    const client = this.named(name, this.#http);
    if (!client || (this.#restUntil.get(client) ?? 0) > nowMs) return undefined;
    if (!this.#clients.includes(client)) {
      this.#others.delete(name);
      this.#others.set(name, client);
      const [oldest] = this.#others.keys();
      if (this.#others.size > MAX_OTHERS) this.#others.delete(oldest!);
    }
    return client;
  }

  /** Nodes that lost it together do not ask together. */
  #pingSoon(client: SupernodeClient): void {
    const timer = setTimeout(
      async () => {
        if (await client.answers()) this.answered(client);
        if ((this.#restUntil.get(client) ?? 0) > performance.now()) this.#pingSoon(client);
        else this.#pinging.delete(client);
      },
      PING_MS * (0.75 + Math.random() / 2),
    );
    timer.unref();
  }

  /** The supernode of that `host:port`, or one outside the list that a client named. */
  named(name: string, http: HttpClient): SupernodeClient | undefined {
    const known = this.#clients.find((client) => client.name === name) ?? this.#others.get(name);
    if (known) return known;
    const match = /^(.+):(\d+)$/.exec(name);
    if (!match) return undefined;
    return new SupernodeClient({ host: match[1]!, port: Number(match[2]), weight: 1 }, http);
  }
}
