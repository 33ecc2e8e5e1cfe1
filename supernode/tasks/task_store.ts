import type { Client, Peer, Task } from "./task.ts";

/** Told when something leaves the store, so that what hangs on it can be let go. */
export interface RemovalListener {
  taskRemoved?(task: Task): void;
  clientRemoved?(client: Client): void;
  peerRemoved?(peer: Peer): void;
}

export type PeerInit = Pick<Peer, "ip" | "hostName" | "port" | "version">;

/** All that the supernode knows of tasks, clients and peers; in memory, as in v1. */
export class TaskStore {
  readonly #steadyNow: () => number;
  readonly #now: () => number;
  readonly #tasks = new Map<string, Task>();
  readonly #clients = new Map<string, Map<string, Client>>();
  readonly #peers = new Map<string, Peer>();
  readonly #peersByAddress = new Map<string, Peer>();
  readonly #listeners: RemovalListener[] = [];
  #lastPeerNs = 0n;

  /**
   * @param steadyNow a clock that nobody sets, ms: who is silent is told by it
   * @param now ms since the epoch, for what is shown
   */
  constructor(steadyNow: () => number, now: () => number = Date.now) {
    this.#steadyNow = steadyNow;
    this.#now = now;
  }

  onRemoval(listener: RemovalListener): void {
    this.#listeners.push(listener);
  }

  addTask(task: Task): void {
    this.#tasks.set(task.id, task);
  }

  task(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** Forgets a task and its clients; the copy on disk stays. `false` where there was none. */
  removeTask(id: string): boolean {
    const task = this.#tasks.get(id);
    if (!task) return false;
    for (const client of [...this.clientsOfTask(id)]) this.removeClient(id, client.cid);
    this.#tasks.delete(id);
    for (const listener of this.#listeners) listener.taskRemoved?.(task);
    return true;
  }

  /** Adds a client, or replaces the one that registered under the same cid before. */
  addClient(client: Client): void {
    let ofTask = this.#clients.get(client.taskId);
    if (!ofTask) this.#clients.set(client.taskId, (ofTask = new Map()));
    ofTask.set(client.cid, client);
  }

  client(taskId: string, cid: string): Client | undefined {
    return this.#clients.get(taskId)?.get(cid);
  }

  *clients(): Iterable<Client> {
    for (const ofTask of this.#clients.values()) yield* ofTask.values();
  }

  clientsOfTask(taskId: string): Iterable<Client> {
    return this.#clients.get(taskId)?.values() ?? [];
  }

  *clientsOfPeer(peerId: string): Iterable<Client> {
    for (const client of this.clients()) if (client.peerId === peerId) yield client;
  }

  removeClient(taskId: string, cid: string): boolean {
    const ofTask = this.#clients.get(taskId);
    const client = ofTask?.get(cid);
    if (!ofTask || !client) return false;
    ofTask.delete(cid);
    if (ofTask.size === 0) this.#clients.delete(taskId);
    for (const listener of this.#listeners) listener.clientRemoved?.(client);
    return true;
  }

  /**
   * The peer at this address, new or known. v1 makes a new one for every registration; here a node
   * that comes back is the same peer.
   */
  addPeer(init: PeerInit): Peer {
    const address = addressOf(init);
    const known = this.#peersByAddress.get(address);
    if (known && known.version === init.version) {
      known.lastAccessMs = this.#steadyNow();
      return known;
    }
    if (known) this.removePeer(known.id);
    const nowMs = this.#now();
    const nowNs = BigInt(Math.floor(nowMs)) * 1_000_000n;
    this.#lastPeerNs = nowNs > this.#lastPeerNs ? nowNs : this.#lastPeerNs + 1n;
    const peer: Peer = {
      id: `${init.hostName}-${init.ip}-${this.#lastPeerNs}`,
      ip: init.ip,
      hostName: init.hostName,
      port: init.port,
      version: init.version,
      createdMs: nowMs,
      lastAccessMs: this.#steadyNow(),
    };
    this.#peers.set(peer.id, peer);
    this.#peersByAddress.set(address, peer);
    return peer;
  }

  peer(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** Forgets a peer; its clients go on until they end or expire themselves. */
  removePeer(id: string): boolean {
    const peer = this.#peers.get(id);
    if (!peer) return false;
    this.#peers.delete(id);
    this.#peersByAddress.delete(addressOf(peer));
    for (const listener of this.#listeners) listener.peerRemoved?.(peer);
    return true;
  }

  /** Notes that a client, and with it its task and peer, is in use. */
  touch(client: Client): void {
    const nowMs = this.#steadyNow();
    client.lastAccessMs = nowMs;
    const task = this.#tasks.get(client.taskId);
    if (task) task.lastAccessMs = nowMs;
    const peer = this.#peers.get(client.peerId);
    if (peer) peer.lastAccessMs = nowMs;
  }
}

function addressOf(peer: PeerInit): string {
  return `${peer.hostName} ${peer.ip} ${peer.port}`;
}
