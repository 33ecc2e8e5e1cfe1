/** Clients name their call system themselves: more names than this are counted together. */
const MAX_CALL_SYSTEMS = 100;

/** The names of call systems that metrics show. */
export class CallSystems {
  readonly #names = new Set<string>();

  /** All that were shown so far. */
  names(): Iterable<string> {
    return this.#names;
  }

  /** What a client's call system is shown as. */
  shown(name: string): string {
    const short = name.slice(0, 64);
    if (!this.#names.has(short)) {
      if (this.#names.size >= MAX_CALL_SYSTEMS) return "(other)";
      this.#names.add(short);
    }
    return short;
  }
}
