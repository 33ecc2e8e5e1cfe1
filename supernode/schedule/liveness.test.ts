import { describe, expect, it } from "vitest";
import { Liveness } from "./liveness.ts";
import { newMember } from "./member.ts";

function member(id: string, heartbeatMs = 500) {
  const made = newMember({ id, zone: "", subnet: "", serves: true, held: 0 }, []);
  made.heartbeatMs = heartbeatMs;
  return made;
}

describe("who is alive", () => {
  it("takes a runner's silence for more than a second and a half for its death, and three more missed heartbeats to forget it", () => {
    const liveness = new Liveness();
    const one = member("one");
    liveness.came(one, 0);
    expect(liveness.isSilent(one, 1700)).toBe(false);
    expect(liveness.isSilent(one, 1701)).toBe(true);
    expect(liveness.isGone(one, 3200)).toBe(false);
    expect(liveness.isGone(one, 3201)).toBe(true);
  });

  it("counts no time in which nobody could be heard", () => {
    const liveness = new Liveness();
    const one = member("one");
    liveness.came(one, 0);
    liveness.deaf(3000);
    expect(liveness.isSilent(one, 4700)).toBe(false);
    const later = member("later");
    liveness.came(later, 4000);
    expect(liveness.isSilent(later, 5701)).toBe(true);
  });

  it("is the more patient the later all are", () => {
    const liveness = new Liveness();
    const one = member("one");
    liveness.came(one, 0);
    liveness.heard(one, 1500);
    expect(liveness.slackMs).toBe(800);
    expect(liveness.isSilent(one, 1500 + 2500)).toBe(false);
    expect(liveness.isSilent(one, 1500 + 2501)).toBe(true);
  });

  it("gives up one whom two have dropped and who is late, and for five seconds only", () => {
    const liveness = new Liveness();
    const one = member("one");
    for (const id of ["a", "b", "c"]) one.neighbours.add(member(id));
    liveness.came(one, 0);
    liveness.doubt(one, { id: "a" }, 100);
    expect(liveness.isGivenUp(one, 1000)).toBe(false);
    liveness.doubt(one, { id: "b" }, 100);
    expect(liveness.isGivenUp(one, 999)).toBe(false);
    expect(liveness.isGivenUp(one, 1000)).toBe(true);
    expect(liveness.isUnreachable(one, 1000)).toBe(false);
    liveness.doubt(one, { id: "c" }, 100);
    expect(liveness.isUnreachable(one, 1000)).toBe(true);
    expect(liveness.isGivenUp(one, 5101)).toBe(false);
  });
});
