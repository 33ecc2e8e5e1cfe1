import type { Neighbour } from "../../protocol/swarm/messages.ts";
import type { BlockSession } from "./block_session.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { KnownDigests } from "./known_digests.ts";

/** The swarms that this node is in, by the name of their file on the peer server. */
export class SwarmSessions {
  readonly heartbeats = new Heartbeats();
  readonly #byName = new Map<string, BlockSession>();

  add(name: string, session: BlockSession): void {
    this.#byName.get(name)?.leave();
    this.#byName.set(name, session);
  }

  /** A neighbour has begun to listen to what we hold of a file: we listen to it, too. */
  met(name: string, neighbour: Neighbour): void {
    this.#byName.get(name)?.meet(neighbour);
  }

  /** What is known of the digests of a file's blocks. */
  digests(name: string): KnownDigests | undefined {
    return this.#byName.get(name)?.digests;
  }

  /** A file is served no longer. */
  leave(name: string): void {
    this.#byName.get(name)?.leave();
    this.#byName.delete(name);
  }

  leaveAll(): void {
    for (const name of [...this.#byName.keys()]) this.leave(name);
  }
}
