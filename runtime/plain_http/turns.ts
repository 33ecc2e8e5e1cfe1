/** Short questions to one server at a time. No image has so many layers that are asked for at once. */
const MOST_AT_ONCE = 32;
/** Milliseconds after which one that waits for its turn is asked all the same: the others may wait for a server that is slow. */
const LONGEST_WAIT_MS = 1000;

interface Server {
  asking: number;
  /** The first come first. */
  readonly waiting: Set<() => void>;
}

/**
 * Who may ask a server something short now. Two hundred such questions at once would otherwise go by two hundred connections,
 * of which each costs a handshake, and memory as long as it is kept; thirty that are used again answer them as fast.
 *
 * @example
 * const done = await turns.take(url.origin, signal);
 * try { await ask(url) } finally { done() }
 */
export class Turns {
  readonly #servers = new Map<string, Server>();

  /**
   * Resolves when it is one's turn, a second later at most.
   *
   * @returns to be called once, when the question is answered
   * @throws the signal's reason
   */
  async take(server: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    const state = this.#servers.get(server) ?? { asking: 0, waiting: new Set() };
    this.#servers.set(server, state);
    if (state.asking >= MOST_AT_ONCE) await waitIn(state.waiting, signal);
    state.asking += 1;
    return () => {
      state.asking -= 1;
      const [first] = state.waiting;
      if (first) first();
      else if (state.asking === 0) this.#servers.delete(server);
    };
  }
}

function waitIn(queue: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      queue.delete(go);
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    };
    const go = () => {
      settle();
      resolve();
    };
    const leave = () => {
      settle();
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(go, LONGEST_WAIT_MS);
    queue.add(go);
    signal?.addEventListener("abort", leave);
  });
}
