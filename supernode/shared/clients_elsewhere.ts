import type { RegisterRequest } from "../../protocol/v1/register.ts";
import { hasSecretWord } from "../../runtime/secret_word.ts";

/** How a client registered. */
export interface Registration {
  request: RegisterRequest;
  /** The address that the request came from. */
  from: string | undefined;
}

/** A client that registered here, and whose task another supernode has. */
export interface ClientElsewhere {
  readonly taskId: string;
  readonly cid: string;
  /** The other supernode, `address:port`. */
  readonly owner: string;
  /** The address that it alone may speak from, where its id can be guessed; see `Client.onlyFrom`. */
  readonly onlyFrom: string | undefined;
  /** How it registered, where it cannot do so again itself: v1's clients go to the source instead. */
  readonly registration: Registration | undefined;
  /** Whether it was registered anew, since its supernode was gone or had forgotten it. */
  readonly isReturned: boolean;
  lastMs: number;
}

/** One that was not heard of for so long is forgotten, ms: v1's peers keep a file for some minutes. */
const IDLE_MS = 10 * 60_000;
/** Clients remembered at most: of more, those heard of the longest ago are forgotten. */
const MAX_CLIENTS = 100_000;

/** Remembers where the clients are that other supernodes answer by way of this one. */
export class ClientsElsewhere {
  /** By task and client id; the one heard of the longest ago first. */
  readonly #clients = new Map<string, ClientElsewhere>();
  readonly #now: () => number;

  /** @param now a clock that never goes back, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#clients.size;
  }

  add(
    client: Omit<ClientElsewhere, "lastMs" | "onlyFrom">,
    from: string | undefined,
  ): ClientElsewhere {
    const onlyFrom = hasSecretWord(client.cid) ? undefined : from;
    const added = { ...client, onlyFrom, lastMs: this.#now() };
    this.#put(added);
    for (const [key, { lastMs }] of this.#clients) {
      if (this.#clients.size <= MAX_CLIENTS && this.#now() - lastMs < IDLE_MS) break;
      this.#clients.delete(key);
    }
    return added;
  }

  /** @param from the address that the request came from */
  find(taskId: string, cid: string, from: string | undefined): ClientElsewhere | undefined {
    const client = this.#clients.get(keyOf(taskId, cid));
    if (!client || (client.onlyFrom !== undefined && client.onlyFrom !== from)) return undefined;
    client.lastMs = this.#now();
    this.#put(client);
    return client;
  }

  /** Whether a client that was found is still where it was. */
  has(client: ClientElsewhere): boolean {
    return this.#clients.get(keyOf(client.taskId, client.cid)) === client;
  }

  remove(taskId: string, cid: string): void {
    this.#clients.delete(keyOf(taskId, cid));
  }

  #put(client: ClientElsewhere): void {
    const key = keyOf(client.taskId, client.cid);
    this.#clients.delete(key);
    this.#clients.set(key, client);
  }
}

function keyOf(taskId: string, cid: string): string {
  return `${taskId} ${cid}`;
}
