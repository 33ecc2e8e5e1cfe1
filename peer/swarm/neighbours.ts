import { PASS_MS } from "../../protocol/path_pass.ts";
import { blockCount } from "../../protocol/swarm/blocks.ts";
import type { HaveMessage } from "../../protocol/swarm/have_stream.ts";
import { MAX_RENEWED, type Neighbour } from "../../protocol/swarm/messages.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { SwarmOptions } from "../download/swarm_types.ts";
import type { BlockChooser } from "./choose_blocks.ts";
import { NeighbourLink, SILENCE_MS } from "./neighbour_link.ts";
import { Standing } from "./standing.ts";

/** Neighbours at most. */
export const MAX_NEIGHBOURS = 48;
/** Failed requests in a row after which a neighbour is dropped. */
const MAX_FAILURES = 3;
/** A neighbour is late when a block that it was to send for so long came from another meanwhile, ms, */
const LATE_MS = 1000;
/** … and dropped when it was late so many times in a row. */
const MAX_LATE = 5;
/** A neighbour may be silent for {@link SILENCE_MS}, or so many times the longest pause of late, */
const PAUSE_FACTOR = 2;
/** … but not longer, ms; so long also where most are silent: who hears nobody should doubt himself first. */
const LONGEST_SILENCE_MS = 10_000;
/** A path that was told so long ago is asked for anew, ms: there is time for some heartbeats to be lost. */
const RENEW_MS = PASS_MS / 2;

const log = getLogger("dfclient");

/** A neighbour, and where the {@link BlockChooser} has it. */
export interface Met {
  readonly slot: number;
  readonly link: NeighbourLink;
}

export interface NeighboursOptions {
  swarm: Pick<SwarmOptions, "http" | "identity" | "span">;
  /** Bytes of the file. */
  fileLength: number;
  chooser: BlockChooser;
  onMessage(slot: number, message: HaveMessage): void;
  /** A neighbour is no more: what it was asked for must come from others. */
  onForgotten(slot: number): void;
  /** … because of what it does, or does not. Told after {@link NeighboursOptions.onForgotten}. */
  onDropped(): void;
}

/**
 * The neighbours that a node listens to for one file: who they are, how they have kept their word, and
 * which of them to drop. What they hold is for the {@link BlockChooser} to know.
 */
export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #links = new Map<number, NeighbourLink>();
  readonly #known = new Set<string>();
  readonly #dropped: string[] = [];
  readonly #slow: string[] = [];
  /** Of all that were ever met: who is a liar does not come back, whoever names it. */
  readonly #standings = new Map<string, Standing>();

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#links.size;
  }

  at(slot: number): NeighbourLink | undefined {
    return this.#links.get(slot);
  }

  /** By its client id. */
  find(id: string): Met | undefined {
    for (const [slot, link] of this.#links) if (link.neighbour.id === id) return { slot, link };
    return undefined;
  }

  /** Begins to listen to one that is not known, where there is room. */
  meet(neighbour: Neighbour): void {
    const { swarm, chooser, fileLength, onMessage } = this.#options;
    const { ip, port, cid, ownPath } = swarm.identity;
    if (neighbour.id === cid || this.#known.has(neighbour.id)) return;
    const standing = this.standing(neighbour.id);
    if (standing.isUseless) return;
    const slot = chooser.addNeighbour(neighbour.near, performance.now());
    if (slot < 0) return;
    chooser.setCredit(slot, standing.credit);
    this.#known.add(neighbour.id);
    const link = new NeighbourLink({
      http: swarm.http,
      neighbour,
      self: { id: cid, ip, port, path: ownPath?.told(performance.now()) ?? swarm.identity.path },
      blocks: blockCount(fileLength),
      parent: swarm.span,
      onMessage: (message) => onMessage(slot, message),
      onEnd: (reason) => this.drop(slot, reason),
    });
    this.#links.set(slot, link);
  }

  /** A neighbour as the supernode tells of it: one that is known by a path that is good for a while. */
  told(neighbour: Neighbour): void {
    this.find(neighbour.id)?.link.renew(neighbour.path, performance.now());
    this.meet(neighbour);
  }

  /** Those whose paths are to be told again before they expire. */
  toRenew(nowMs: number): string[] {
    const links = [...this.#links.values()].filter((link) => nowMs - link.pathSinceMs > RENEW_MS);
    return links.slice(0, MAX_RENEWED).map(({ neighbour }) => neighbour.id);
  }

  drop(slot: number, reason: string): void {
    const link = this.#links.get(slot);
    if (!link) return;
    log.debug("neighbour {id} is dropped: {reason}", { id: link.neighbour.id, reason });
    this.#dropped.push(link.neighbour.id);
    this.#forget(slot, link);
    this.#options.onDropped();
  }

  /** Whom this node has dropped since it was last asked. */
  takeDropped(): string[] {
    return this.#dropped.splice(0);
  }

  /** Those of whom this node has asked blocks in vain since it was last asked. */
  takeSlow(): string[] {
    return this.#slow.splice(0);
  }

  /** A neighbour does not bring what it was asked for. */
  dropSlow(slot: number, reason: string): void {
    const link = this.#links.get(slot);
    if (link) this.#slow.push(link.neighbour.id);
    this.drop(slot, reason);
  }

  /** Listens to nobody any more. */
  forgetAll(): void {
    for (const [slot, link] of this.#links) this.#forget(slot, link);
  }

  /** A request to a neighbour came to nothing. */
  failed(slot: number, reason: string): void {
    const link = this.#links.get(slot);
    if (!link) return;
    link.failures += 1;
    if (link.failures >= MAX_FAILURES) this.drop(slot, reason);
  }

  /** A block that a neighbour was asked for so long ago came from another, ms. */
  outrun(slot: number, sinceMs: number): void {
    const link = this.#links.get(slot);
    if (!link) return;
    const { id } = link.neighbour;
    const standing = this.standing(id);
    if (standing.isStranger) {
      standing.outrun += 1;
      this.judge(id);
    }
    if (sinceMs < LATE_MS) return;
    link.late += 1;
    if (link.late >= MAX_LATE) this.drop(slot, "it is too slow");
  }

  /** How a node has kept its word; a change of it is to be told by {@link judge}. */
  standing(id: string): Standing {
    let standing = this.#standings.get(id);
    if (!standing) this.#standings.set(id, (standing = new Standing()));
    return standing;
  }

  /** A node's standing has changed: what may be asked of it, and whether anything. */
  judge(id: string): void {
    const found = this.find(id);
    if (!found) return;
    const standing = this.standing(id);
    if (standing.isLiar) {
      const { ip, port } = found.link.neighbour;
      log.warn("neighbour {ip}:{port} sends wrong blocks, and is dropped", { ip, port });
      this.drop(found.slot, "it sends wrong blocks");
    } else if (standing.isUseless) {
      const reason = "none of its blocks came whole and right";
      if (standing.broken > standing.right) this.dropSlow(found.slot, reason);
      else this.drop(found.slot, reason);
    } else this.#options.chooser.setCredit(found.slot, standing.credit);
  }

  /**
   * Nothing comes from anywhere: those who are asked for blocks are in doubt where all of them keep us waiting against
   * their own word.
   *
   * @returns whether that is news
   */
  doubtOverdue(): boolean {
    const asked = [...this.#links.values()].filter(({ debt }) => debt.isAsked);
    if (!asked.every(({ debt }) => debt.isOverdue)) return false;
    return asked.filter(({ debt }) => debt.doubt()).length > 0;
  }

  /** The slots of those who are in doubt. */
  get doubted(): ReadonlySet<number> {
    return new Set([...this.#links].flatMap(([slot, { debt }]) => (debt.isDoubted ? [slot] : [])));
  }

  /** Where hosts are short of processor time most neighbours are late together: that is no death. */
  dropSilent(nowMs: number): void {
    const { chooser } = this.#options;
    const silent = chooser.silentCount(SILENCE_MS, nowMs);
    const pauseMs = PAUSE_FACTOR * chooser.longestPauseMs(nowMs);
    const forMs =
      silent > 2 && silent > this.size / 2
        ? LONGEST_SILENCE_MS
        : Math.min(LONGEST_SILENCE_MS, Math.max(SILENCE_MS, pauseMs));
    for (;;) {
      const slot = chooser.silent(forMs, nowMs);
      if (slot < 0) return;
      if (this.#links.has(slot)) this.drop(slot, "it is silent");
      else chooser.removeNeighbour(slot);
    }
  }

  #forget(slot: number, link: NeighbourLink): void {
    this.#links.delete(slot);
    link.close();
    this.#known.delete(link.neighbour.id);
    this.#options.chooser.removeNeighbour(slot);
    this.#options.onForgotten(slot);
  }
}
