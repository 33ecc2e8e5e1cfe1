import type { Change, ConsoleView, Entries } from "./messages.ts";

const TABLES = ["files", "nodes", "preheats", "problems"] as const;
const FACTS = ["supernode", "totals"] as const;

/** What makes one view of the other; `undefined` where they are the same. */
export function changesBetween(before: ConsoleView, after: ConsoleView): Change | undefined {
  const change: Record<string, unknown> = {};
  for (const name of FACTS) {
    if (!isSame(before[name], after[name])) change[name] = after[name];
  }
  for (const name of TABLES) {
    const entries = entryChanges<unknown>(before[name], after[name]);
    if (entries) change[name] = entries;
  }
  return Object.keys(change).length > 0 ? (change as Change) : undefined;
}

/** A view with a change made; what has not changed is the very same object. */
export function applyChange(view: ConsoleView, change: Change): ConsoleView {
  const next: Record<string, unknown> = { ...view };
  for (const name of FACTS) if (change[name]) next[name] = change[name];
  for (const name of TABLES) {
    const entries = change[name];
    if (entries) {
      const all = { ...view[name], ...entries };
      next[name] = Object.fromEntries(Object.entries(all).filter(([, entry]) => entry !== null));
    }
  }
  return next as unknown as ConsoleView;
}

function entryChanges<Entry>(
  before: Entries<Entry>,
  after: Entries<Entry>,
): Entries<Entry | null> | undefined {
  const changed: [string, Entry | null][] = [];
  for (const [id, entry] of Object.entries(after)) {
    if (!(id in before) || !isSame(before[id], entry)) changed.push([id, entry]);
  }
  for (const id of Object.keys(before)) if (!(id in after)) changed.push([id, null]);
  return changed.length > 0 ? Object.fromEntries(changed) : undefined;
}

/** Of flat objects made by the same code, so with their keys in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
