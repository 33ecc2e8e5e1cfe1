import { expect } from "vitest";
import type { Found } from "./diff.ts";
import type { Difference } from "./differences.ts";

/**
 * Holds what was found different against the list of differences: each finding must be on the list
 * and be as the list says, and each entry of the list must be found.
 */
export class Ledger {
  readonly #list: readonly Difference[];
  readonly #met = new Set<Difference>();
  #unlisted: (Found & { subject: string })[] = [];

  constructor(list: readonly Difference[]) {
    this.#list = list;
  }

  /** @param subject what was compared, such as `local-tiny GET /peer/task?…` */
  enter(subject: string, findings: readonly Found[]): void {
    for (const found of findings) {
      const entry = this.#list.find(
        ({ of, at, holds }) => of.test(subject) && at.test(found.at) && holds(found),
      );
      if (entry) this.#met.add(entry);
      else this.#unlisted.push({ subject, ...found });
    }
  }

  /** Fails for what was entered since the last time and is not on the list. */
  expectNothingElse(): void {
    const unlisted = this.#unlisted;
    this.#unlisted = [];
    expect(unlisted).toEqual([]);
  }

  /** The entries that nothing was found for: they are out of date. */
  unmet(): string[] {
    return this.#list.filter((entry) => !this.#met.has(entry)).map(({ reason }) => reason);
  }
}
