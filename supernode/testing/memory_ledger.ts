import type { Claim, Ledger } from "../shared/ledger.ts";

/** A ledger that supernodes of one process share, and that can be made to fail. */
export class MemoryLedger implements Ledger {
  /** Which life of each supernode has said last that it is there, by their addresses. */
  readonly alive = new Map<string, string>();
  readonly owners = new Map<string, string>();
  broken = false;

  async renew(self: string, run: string): Promise<string> {
    this.#check();
    const was = this.alive.get(self) ?? "";
    this.alive.set(self, run);
    return was;
  }

  async claim(keys: readonly string[], self: string, gone?: string): Promise<Claim[]> {
    this.#check();
    return keys.map((key) => {
      const owner = this.owners.get(key);
      const isTheirs = owner && owner !== self && owner !== gone && this.alive.has(owner);
      if (isTheirs) return { owner, before: "" };
      this.owners.set(key, self);
      return { owner: self, before: owner && owner !== self ? owner : "" };
    });
  }

  async leave(self: string): Promise<void> {
    this.#check();
    this.alive.delete(self);
  }

  close(): void {}

  #check(): void {
    if (this.broken) throw new Error("it is broken");
  }
}
