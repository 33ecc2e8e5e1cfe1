import { type BlockRun, runRange } from "../../protocol/swarm/blocks.ts";
import type { ByteOrigin, SupernodeObserver } from "../observer.ts";
import type { BlockOrigin } from "../schedule/open_blocks.ts";
import type { Swarm } from "./swarm.ts";

const ORIGINS = { source: "registry", seed: "supernode", peer: "peer" } as const;

/**
 * What members receive, and from where, as their reports show: what one has more than when it last reported, and did
 * not fetch itself, came from its neighbours.
 */
export class ReceivedBytes {
  readonly #observer: SupernodeObserver;
  /** Bytes that the member which reports just now has fetched from outside its swarm. */
  #fetched = 0;

  constructor(observer: SupernodeObserver) {
    this.#observer = observer;
  }

  /**
   * A member has fetched a run of blocks from outside its swarm.
   *
   * @param fileLength bytes
   */
  fetched(run: BlockRun, fileLength: number, { kind }: BlockOrigin): void {
    const { start, end } = runRange(run, fileLength);
    this.#fetched += end - start + 1;
    this.#observer.nodeReceived(ORIGINS[kind] satisfies ByteOrigin, end - start + 1);
  }

  /** A member has reported; told after what that showed of its leases, by {@link fetched}. */
  reported({ blocks, blockBytes, length }: Swarm, heldBefore: number, held: number): void {
    const bytes = (count: number) => (count >= blocks ? length : count * blockBytes);
    const fromPeers = bytes(held) - bytes(heldBefore) - this.#fetched;
    this.#fetched = 0;
    if (fromPeers > 0) this.#observer.nodeReceived("peer", fromPeers);
  }
}
