import type { Peer } from "../peer/mod.ts";
import { isLocalAddress } from "../runtime/local_address.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ChosenAddress } from "./peer_options.ts";

/** Milliseconds between two looks: a node that was given another address is away for as long. */
const LOOK_MS = 10_000;

export interface OwnAddressOptions {
  peer: Pick<Peer, "ip" | "moveTo">;
  chosen: ChosenAddress;
  log: Logger;
  /** Told when the peer has moved. */
  onMoved?: () => void;
  /** Default: 10 s. */
  lookMs?: number | undefined;
  /** Whether this host has an address. */
  isLocal?: (address: string) => boolean;
}

/**
 * Keeps a peer at an address that its host has, where nobody has configured one: hosts are given others by DHCP, and
 * interfaces come up after the service.
 */
export class OwnAddress {
  readonly #options: OwnAddressOptions;
  readonly #timer: NodeJS.Timeout;
  #chosen: ChosenAddress | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: OwnAddressOptions) {
    this.#options = options;
    this.#chosen = options.chosen;
    this.#timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS);
    this.#timer.unref();
  }

  /** Goes by another configuration from now on; absent: it names the address, and nothing is looked for. */
  async follow(chosen: ChosenAddress | undefined): Promise<void> {
    this.#chosen = chosen && { ...chosen, isSure: false };
    await this.look();
  }

  /** Moves the peer where its address is not this host's any more, or was a guess and is found now. Never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #lookNow(): Promise<void> {
    const { peer, log, onMoved, isLocal = isLocalAddress } = this.#options;
    const chosen = this.#chosen;
    if (!chosen) return;
    const isStillOurs = isLocal(peer.ip);
    if (isStillOurs && chosen.isSure) return;
    const { address, isSure } = await chosen.choose();
    // One guess is as good as another; and without any address there is nowhere to go.
    const isBetter = isSure || (!isStillOurs && !address.startsWith("127."));
    if (!isBetter || this.#chosen !== chosen) return;
    const from = peer.ip;
    try {
      if (address !== from) await peer.moveTo(address);
      chosen.isSure = isSure;
    } catch (error) {
      const reason = (error as Error).message;
      log.warn("cannot serve pieces on {address} yet: {reason}", { address, reason });
      return;
    }
    if (address === from) return;
    onMoved?.();
    log.info("this host is {address} now, it was {from}: other nodes find it there", {
      address,
      from,
    });
  }
}
