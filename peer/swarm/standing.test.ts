import { describe, expect, it } from "vitest";
import fc from "../../tests/support/fast_check.ts";
import { Standing } from "./standing.ts";

function standing(counts: Partial<Standing> = {}): Standing {
  return Object.assign(new Standing(), counts);
}

describe("a node's standing", () => {
  it("lets five blocks of a stranger come, and one more for each that is right", () => {
    const one = standing();
    expect(one.credit).toBe(5);
    for (let block = 0; block < 5; block++) one.waiting += 1;
    expect(one.credit).toBe(0);
    expect(one.isUseless).toBe(false);
    one.settle(true);
    expect(one.credit).toBe(2);
    one.disprove();
    expect(one.credit).toBe(2);
  });

  it.each([
    ["three wrong blocks, however many were right", { wrong: 3, right: 100 }, true],
    ["two wrong ones", { wrong: 2 }, false],
    ["three answers that broke off, and no more that were right", { broken: 3, right: 2 }, true],
    ["some that broke off among many", { broken: 30, right: 200 }, false],
    ["five that others outran, and none that came", { outrun: 5 }, true],
    ["five that nobody could prove", { unsettled: 5 }, true],
    ["five that may be proven yet", { waiting: 5 }, false],
  ])("is that of a useless one, or not, after %s", (_what, counts, isUseless) => {
    expect(standing(counts).isUseless).toBe(isUseless);
  });

  it("is given back what could not be proven when it is", () => {
    const one = standing({ waiting: 1 });
    one.giveUp();
    expect(one.credit).toBe(4);
    one.settleLate(true);
    expect(one.credit).toBe(6);
  });

  it("lets nobody send more bad blocks than right ones, and five", () => {
    const blocks = fc.array(fc.boolean(), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(blocks, { maxLength: 20 }), (rounds) => {
        const one = standing();
        let [right, bad] = [0, 0];
        for (const round of rounds) {
          // All that may be asked for is under way before anything of it is known.
          const sent = one.isUseless ? [] : round.slice(0, Math.max(0, one.credit));
          one.waiting += sent.length;
          for (const isRight of sent) {
            if (isRight) one.settle(true);
            else one.disprove();
            if (isRight) right += 1;
            else bad += 1;
          }
          expect(bad).toBeLessThanOrEqual(right + 5);
        }
      }),
    );
  });
});
