import { expect, test } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { applyChange, changesBetween } from "./changes.ts";
import type { ConsoleView } from "./messages.ts";

const view = (files: Record<string, object>, totals: object = {}) =>
  ({ supernode: {}, totals, files, nodes: {}, preheats: {}, problems: {} }) as ConsoleView;

test("says what is new, different and gone, and nothing else", () => {
  const before = view({ a: { rate: 1 }, b: { rate: 2 }, c: { rate: 3 } });
  const after = view({ a: { rate: 1 }, b: { rate: 5 }, d: { rate: 4 } });
  expect(changesBetween(before, after)).toEqual({
    files: { b: { rate: 5 }, c: null, d: { rate: 4 } },
  });
  expect(changesBetween(before, view({ ...before.files }))).toBeUndefined();
});

test("what has not changed stays the same object, so that the page need not draw it anew", () => {
  const before = view({ a: { rate: 1 } }, { nodes: 1 });
  const after = applyChange(before, { files: { b: { rate: 2 } as never } });
  expect(after.files.a).toBe(before.files.a);
  expect(after.totals).toBe(before.totals);
});

test("a viewer who gets all changes sees what one sees who comes later", () => {
  const table = fc.dictionary(
    fc.constantFrom("a", "b", "c", "d"),
    fc.record({ rate: fc.nat(3), map: fc.constantFrom("..", "1~", "99") }),
  );
  fc.assert(
    fc.property(fc.array(table), (tables) => {
      let seen = view({});
      let last = view({});
      for (const files of tables) {
        const next = view(files, { nodes: Object.keys(files).length });
        const change = changesBetween(last, next);
        if (change) seen = applyChange(seen, JSON.parse(JSON.stringify(change)));
        last = next;
      }
      expect(seen.files).toEqual(last.files);
      expect(seen.totals).toEqual(last.totals);
    }),
  );
});
