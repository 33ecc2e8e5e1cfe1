/** Children of a place in the heap: four lie in one cache line, and make it half as high as two. */
const ARITY = 4;

/**
 * What happens next in a simulation: events in the order of their time. An event is a kind and two
 * numbers, which only the simulation can read. Nothing is allocated per event.
 */
export class EventQueue {
  /** Time of the event taken last, ms. */
  nowMs = 0;
  /** Kind and numbers of the event taken last. */
  kind = 0;
  a = 0;
  b = 0;
  /** Events taken so far. */
  taken = 0;

  #size = 0;
  #times = new Float64Array(1024);
  #ids = new Int32Array(1024);
  #kinds = new Uint8Array(1024);
  #as = new Int32Array(1024);
  #bs = new Int32Array(1024);
  /** Ids of events taken, to be used again. */
  #free = new Int32Array(1024);
  #freeCount = 0;
  #idCount = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an event at a time that is not before now. */
  push(timeMs: number, kind: number, a: number, b = 0): void {
    if (this.#size === this.#times.length) this.#grow();
    const id = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#idCount++;
    this.#kinds[id] = kind;
    this.#as[id] = a;
    this.#bs[id] = b;
    const times = this.#times;
    const ids = this.#ids;
    let place = this.#size++;
    while (place > 0) {
      const parent = ((place - 1) / ARITY) | 0;
      if (times[parent]! <= timeMs) break;
      times[place] = times[parent]!;
      ids[place] = ids[parent]!;
      place = parent;
    }
    times[place] = timeMs;
    ids[place] = id;
  }

  /** Takes the next event; `false` where there is none. */
  take(): boolean {
    if (this.#size === 0) return false;
    const times = this.#times;
    const ids = this.#ids;
    const id = ids[0]!;
    this.nowMs = times[0]!;
    this.kind = this.#kinds[id]!;
    this.a = this.#as[id]!;
    this.b = this.#bs[id]!;
    this.#free[this.#freeCount++] = id;
    this.taken += 1;
    const size = --this.#size;
    const timeMs = times[size]!;
    let place = 0;
    for (;;) {
      const first = place * ARITY + 1;
      if (first >= size) break;
      let least = first;
      const end = Math.min(first + ARITY, size);
      for (let child = first + 1; child < end; child++) {
        if (times[child]! < times[least]!) least = child;
      }
      if (times[least]! >= timeMs) break;
      times[place] = times[least]!;
      ids[place] = ids[least]!;
      place = least;
    }
    times[place] = timeMs;
    ids[place] = ids[size]!;
    return true;
  }

  #grow(): void {
    const size = this.#times.length * 2;
    const longer = <Numbers extends { set(from: Numbers): void }>(to: Numbers, from: Numbers) => {
      to.set(from);
      return to;
    };
    this.#times = longer(new Float64Array(size), this.#times);
    this.#ids = longer(new Int32Array(size), this.#ids);
    this.#kinds = longer(new Uint8Array(size), this.#kinds);
    this.#as = longer(new Int32Array(size), this.#as);
    this.#bs = longer(new Int32Array(size), this.#bs);
    this.#free = longer(new Int32Array(size), this.#free);
  }
}
