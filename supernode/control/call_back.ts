import { PEER_PORTS, type Reachable } from "../../protocol/control/messages.ts";
import { plainAddress } from "../../runtime/address_ranges.ts";
import type { HttpClient } from "../../runtime/http_client.ts";

/** A node behind a firewall that drops what it does not know answers nothing; ms. */
const PATIENCE_MS = 3000;
/** Bytes of the answer that are looked at: v1's peer server says `success`. */
const MOST_BYTES = 1024;
/** Call-backs under way at most. */
const AT_ONCE = 32;

/**
 * Tries a node's peer server from outside, for `dfctl doctor`. Only the asker's own address is ever
 * called, by a path that changes nothing, on a port where peers serve: nobody can have the supernode
 * connect to a third place.
 */
export class CallBack {
  readonly #http: HttpClient;
  #underWay = 0;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * @param from the address that the question came from; never one that stands in a request
   * @returns `undefined` where too many ask at once
   */
  async reach(from: string, port: number): Promise<Reachable | undefined> {
    if (port < PEER_PORTS.first || port > PEER_PORTS.last)
      throw new RangeError(`port ${port} is none that a peer serves on`);
    if (this.#underWay >= AT_ONCE) return undefined;
    const address = plainAddress(from);
    this.#underWay += 1;
    try {
      const host = address.includes(":") ? `[${address}]` : address;
      const answer = await this.#http.text(
        `http://${host}:${port}/server/ping`,
        { signal: AbortSignal.timeout(PATIENCE_MS), fresh: true, own: true },
        MOST_BYTES,
      );
      const isPeer = answer.status === 200 && answer.text.trim() === "success";
      return { address, reachable: isPeer, reason: isPeer ? "" : "another program answers there" };
    } catch (error) {
      return { address, reachable: false, reason: reasonOf(error as Error) };
    } finally {
      this.#underWay -= 1;
    }
  }
}

/** What went wrong in a word or two: not what another program has said. */
function reasonOf(error: Error): string {
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "the connection is refused";
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH") return "there is no way to it";
  if (code === "ECONNRESET" || /longer than|Parse Error/.test(error.message))
    return "another program answers there";
  return `no answer within ${PATIENCE_MS / 1000} s`;
}
