/** A node in a neighbourhood. */
export interface Resident<Self> {
  /** What its operator calls its rack, room or data centre; may be empty. */
  readonly zone: string;
  /** Where it is: see {@link placeOf}. */
  readonly place: string;
  /** Kept by {@link Neighbourhood}. */
  readonly neighbours: Set<Self>;
}

export interface NeighbourLimits {
  /** Neighbours a node is given when it joins; those who join later add as many on average. */
  atJoin: number;
  /** Neighbours below which it is given more. */
  enough: number;
  /** Neighbours above which it is given to nobody any more. */
  most: number;
  /** The part of a node's neighbours that should be of its own zone or subnet. */
  near: number;
  /** Links between two zones at most. */
  bridges: number;
}

/**
 * By simulation (docs/performance.md): with 8 at joining, so 16 in the mean, a thousand nodes are done
 * 2 % after the line's rate would allow. With half as many the last of them is a tenth later; with twice
 * as many nobody is earlier, and there are twice the messages.
 */
export const DEFAULT_NEIGHBOUR_LIMITS: NeighbourLimits = {
  atJoin: 8,
  enough: 12,
  most: 32,
  near: 2 / 3,
  bridges: 3,
};

/** How often to look for a fitting node at random, per neighbour wanted. */
const TRIES = 6;

/**
 * Who exchanges blocks with whom: a random graph, in which each node prefers its own zone (or, where
 * nobody names zones, its own subnet). Any choice costs a number of steps that does not depend on how
 * many nodes there are.
 *
 * Two labelled zones are joined by a few links only, the bridges. A block crosses a link at most once,
 * so a thin line between two racks carries at most as many copies of a file as there are bridges; and
 * where there are many zones, the bridges to all others together make enough long links.
 */
export class Neighbourhood<Node extends Resident<Node>> {
  readonly #limits: NeighbourLimits;
  readonly #random: () => number;
  readonly #all = new Group<Node>();
  readonly #places = new Map<string, Group<Node>>();
  /** Links between two zones, by both names. */
  readonly #bridges = new Map<string, number>();

  /** @param random uniform in [0, 1) */
  constructor(limits: NeighbourLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  get size(): number {
    return this.#all.size;
  }

  /** A node is here and can be given to others. */
  add(node: Node): void {
    this.#all.add(node);
    const { place } = node;
    let group = this.#places.get(place);
    if (!group) this.#places.set(place, (group = new Group()));
    group.add(node);
  }

  /** A node is gone, its links with it. */
  remove(node: Node): void {
    for (const neighbour of [...node.neighbours]) this.unlink(node, neighbour);
    this.#all.delete(node);
    const { place } = node;
    const group = this.#places.get(place);
    group?.delete(node);
    if (group?.size === 0) this.#places.delete(place);
  }

  /** Gives a node that has just come its first neighbours. */
  welcome(node: Node): Node[] {
    return this.#introduce(node, this.#limits.atJoin);
  }

  /** Gives a node that has too few neighbours more of them. */
  replenish(node: Node): Node[] {
    return this.#introduce(node, this.#limits.enough - node.neighbours.size);
  }

  /** Makes two nodes neighbours; not so where one has too many, or their zones are joined enough. */
  link(a: Node, b: Node): boolean {
    if (!this.#fits(a, b) || a.neighbours.size >= this.#limits.most) return false;
    a.neighbours.add(b);
    b.neighbours.add(a);
    const bridge = bridgeName(a, b);
    if (bridge) this.#bridges.set(bridge, (this.#bridges.get(bridge) ?? 0) + 1);
    return true;
  }

  unlink(a: Node, b: Node): void {
    if (!a.neighbours.delete(b)) return;
    b.neighbours.delete(a);
    const bridge = bridgeName(a, b);
    if (!bridge) return;
    const left = this.#bridges.get(bridge)! - 1;
    if (left > 0) this.#bridges.set(bridge, left);
    else this.#bridges.delete(bridge);
  }

  #introduce(node: Node, want: number): Node[] {
    const given: Node[] = [];
    if (want <= 0) return given;
    const { place } = node;
    const own = this.#places.get(place);
    const others = this.#all.size - (own?.size ?? 0);
    // At least one long link each, and no place kept for those of a zone that is too small for it.
    const nearWanted =
      others === 0 ? want : Math.min(want - 1, Math.round(want * this.#limits.near));
    if (own) this.#draw(node, own, nearWanted, given);
    if (others > 0) this.#draw(node, this.#all, want - given.length, given, place);
    // Where there are no more bridges to be had, those nearby do as well.
    if (own) this.#draw(node, own, want - given.length, given);
    return given;
  }

  /** Links a node with up to `want` others of a group, outside `notIn`, the lonelier of two each. */
  #draw(node: Node, group: Group<Node>, want: number, given: Node[], notIn?: string): void {
    let found = 0;
    for (let tries = want * TRIES; found < want && tries > 0; tries -= 2) {
      const one = this.#candidate(node, group, notIn);
      const other = this.#candidate(node, group, notIn);
      const chosen =
        one && other ? (other.neighbours.size < one.neighbours.size ? other : one) : (one ?? other);
      if (!chosen || !this.link(node, chosen)) continue;
      given.push(chosen);
      found += 1;
    }
  }

  #candidate(node: Node, group: Group<Node>, notIn: string | undefined): Node | undefined {
    const other = group.pick(this.#random);
    if (!other || (notIn !== undefined && other.place === notIn)) return undefined;
    return this.#fits(node, other) ? other : undefined;
  }

  #fits(a: Node, b: Node): boolean {
    if (a === b || a.neighbours.has(b) || b.neighbours.size >= this.#limits.most) return false;
    const bridge = bridgeName(a, b);
    if (!bridge) return true;
    // Bridges of one node would all fall with it.
    const free = (this.#bridges.get(bridge) ?? 0) < this.#limits.bridges;
    return free && !knowsZone(a, b.zone) && !knowsZone(b, a.zone);
  }
}

/** Whether two nodes count as close to each other. */
export function isNear(a: Resident<unknown>, b: Resident<unknown>): boolean {
  return a.place === b.place;
}

/** The subnet of an IPv4 address: its first three numbers. */
export function subnetOf(ip: string): string {
  return ip.slice(0, ip.lastIndexOf("."));
}

/**
 * Where a node is: in its zone or, where it has none, in its subnet (`10.64.3` of 10.64.3.7). Nodes in
 * the same place are near each other.
 */
export function placeOf(zone: string, subnet: string): string {
  return zone === "" ? `subnet ${subnet}` : `zone ${zone}`;
}

/** What the line between two nodes' zones is called; `undefined` where none is known to be thin. */
function bridgeName(a: Resident<unknown>, b: Resident<unknown>): string | undefined {
  if (a.zone === b.zone || a.zone === "" || b.zone === "") return undefined;
  return a.zone < b.zone ? `${a.zone}\n${b.zone}` : `${b.zone}\n${a.zone}`;
}

function knowsZone(node: Resident<Resident<unknown>>, zone: string): boolean {
  for (const neighbour of node.neighbours) if (neighbour.zone === zone) return true;
  return false;
}

/** A set from which one can be drawn at random in one step. */
class Group<Item> {
  readonly #items: Item[] = [];
  readonly #places = new Map<Item, number>();

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    if (this.#places.has(item)) return;
    this.#places.set(item, this.#items.length);
    this.#items.push(item);
  }

  delete(item: Item): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#places.delete(item);
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#items[place] = last;
    this.#places.set(last, place);
  }

  pick(random: () => number): Item | undefined {
    return this.#items[Math.floor(random() * this.#items.length)];
  }
}
