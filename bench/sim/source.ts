import type { MemberAdvice } from "../../supernode/schedule/member.ts";
import type { HeldLease, Participant } from "./participant.ts";
import { RegistryLink } from "./registry_link.ts";
import { LATENCY_MS } from "./setup.ts";
import type { World } from "./world.ts";

/** What the registry takes to begin with an answer, ms. */
const REGISTRY_MS = 1;

export interface SourceEvents {
  /** A block has come from the registry. */
  gained(participant: Participant, block: number): void;
  /** A participant has done a lease: the supernode should hear of it. */
  leaseDone(participant: Participant): void;
}

/** What a participant says of a lease. */
export interface LeaseReport {
  id: number;
  done: number;
  partBytes: number;
  failed: boolean;
}

/** Participants fetch from the registry what they have leased, one block after the other. */
export class Source {
  /** Bytes that the registry has sent. */
  bytes = 0;
  readonly #world: World;
  readonly #events: SourceEvents;
  readonly #link: RegistryLink;
  #plan = 0;

  constructor(world: World, events: SourceEvents) {
    this.#world = world;
    this.#events = events;
    this.#link = new RegistryLink(world.setup.registryLink / 1000);
  }

  /** What a participant says of its leases; of those that are done it says so once. */
  report(participant: Participant): LeaseReport[] {
    const all = [...participant.finished, ...participant.leases];
    participant.finished = [];
    return all.map((lease) => ({
      id: lease.id,
      done: lease.done,
      partBytes: this.#partBytes(participant, lease),
      failed: false,
    }));
  }

  /** The supernode says what a participant holds from now on. */
  heed(participant: Participant, granted: MemberAdvice["leases"]): void {
    const { chooser } = participant;
    const working = participant.leases[0];
    for (const lease of participant.leases) {
      const count = granted.find(({ id }) => id === lease.id)?.count ?? 0;
      const kept = Math.max(lease.done, count);
      for (let place = kept; place < lease.count; place++) chooser.unreserve(lease.first + place);
      lease.count = Math.min(lease.count, kept);
    }
    participant.leases = participant.leases.filter(({ done, count }) => done < count);
    if (working && participant.leases[0] !== working) this.stop(participant);
    for (const { id, first, count } of granted) {
      if (id <= participant.lastLeaseId) continue;
      participant.lastLeaseId = id;
      participant.leases.push({ id, first, count, done: 0 });
      for (let block = first; block < first + count; block++) chooser.reserve(block);
    }
    this.#goOn(participant, true);
  }

  /** A participant's connection is cut. */
  stop(participant: Participant): void {
    participant.fetching = false;
    this.#link.cut(participant.index, this.#world.nowMs);
    this.#planNext();
  }

  #partBytes(participant: Participant, lease: HeldLease): number {
    const { index, task } = participant;
    if (participant.leases[0] !== lease || !this.#link.has(index)) return 0;
    const left = this.#link.left(index, this.#world.nowMs);
    return Math.floor(this.#world.bytes(task, lease.first + lease.done) - left);
  }

  /** Goes on with the lease at hand; a new request takes a way there and back. */
  #goOn(participant: Participant, newRequest: boolean): void {
    if (participant.fetching || participant.leases.length === 0) return;
    participant.fetching = true;
    const { id } = participant.leases[0]!;
    const begin = () => {
      const lease = participant.leases[0];
      const { index, node, task } = participant;
      if (!this.#world.isAlive(node) || lease?.id !== id) return;
      const bytes = this.#world.bytes(task, lease.first + lease.done);
      this.#link.begin(index, bytes, this.#world.wiring.down[node]!, this.#world.nowMs);
      this.#planNext();
    };
    if (!newRequest) begin();
    else this.#world.at(this.#world.nowMs + 2 * LATENCY_MS.across + REGISTRY_MS, begin);
  }

  #planNext(): void {
    const plan = ++this.#plan;
    const next = this.#link.next();
    if (!next) return;
    this.#world.at(next.timeMs, () => {
      if (plan !== this.#plan) return;
      this.#link.cut(next.receiver, this.#world.nowMs);
      this.#planNext();
      this.#fetched(this.#world.participants[next.receiver]!);
    });
  }

  #fetched(participant: Participant): void {
    const { chooser, node, task } = participant;
    const lease = participant.leases[0]!;
    const block = lease.first + lease.done;
    const bytes = this.#world.bytes(task, block);
    this.bytes += bytes;
    participant.fetching = false;
    lease.done += 1;
    const ends = lease.done === lease.count;
    if (ends) participant.finished.push(participant.leases.shift()!);
    this.#goOn(participant, ends);
    this.#world.at(this.#world.network.receive(node, bytes), () => {
      if (!this.#world.isAlive(node)) return;
      if (!chooser.holds(block)) {
        chooser.hold(block);
        this.#events.gained(participant, block);
      }
      if (ends) this.#events.leaseDone(participant);
    });
  }
}
