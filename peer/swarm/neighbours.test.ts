import { expect, it, onTestFinished } from "vitest";
import { PASS_MS } from "../../protocol/path_pass.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { NO_SPAN } from "../../runtime/tracing/tracing.ts";
import { BlockChooser } from "./choose_blocks.ts";
import { Neighbours } from "./neighbours.ts";
import { SELF } from "./testing.ts";

function listening() {
  const http = new HttpClient();
  onTestFinished(() => http.close());
  const neighbours = new Neighbours({
    swarm: { http, identity: SELF, span: NO_SPAN },
    fileLength: 1,
    chooser: new BlockChooser({ blocks: 1, slots: 4, random: () => 0 }),
    onMessage: () => {},
    onForgotten: () => {},
    onDropped: () => {},
  });
  onTestFinished(() => neighbours.forgetAll());
  const meet = (id: string) =>
    neighbours.meet({ id, ip: "127.0.0.1", port: 9, path: "/peer/file/x", near: true });
  return { neighbours, meet };
}

it("are named to the supernode whose answers did not come whole, and not those who lied", () => {
  const { neighbours, meet } = listening();
  for (const id of ["liar", "trickle", "gone"]) meet(id);
  Object.assign(neighbours.standing("liar"), { wrong: 3 });
  Object.assign(neighbours.standing("trickle"), { broken: 3 });
  for (const id of ["liar", "trickle"]) neighbours.judge(id);
  neighbours.drop(neighbours.find("gone")!.slot, "it is silent");
  expect(neighbours.takeDropped()).toEqual(["liar", "trickle", "gone"]);
  expect(neighbours.takeSlow()).toEqual(["trickle"]);
  expect(neighbours.takeSlow()).toEqual([]);
});

it("do not come back who were dropped for wrong blocks, those who were slow do", () => {
  const { neighbours, meet } = listening();
  meet("liar");
  meet("slow");
  for (const isThere of [true, true, false]) {
    neighbours.standing("liar").wrong += 1;
    neighbours.judge("liar");
    expect(neighbours.find("liar") !== undefined).toBe(isThere);
  }
  neighbours.drop(neighbours.find("slow")!.slot, "it is too slow");
  meet("liar");
  meet("slow");
  expect(neighbours.find("liar")).toBeUndefined();
  expect(neighbours.find("slow")).toBeDefined();
});

it("are in doubt where all who were asked keep us waiting, until something comes", () => {
  const { neighbours, meet } = listening();
  const debts = ["one", "other", "idle"].map((id) => {
    meet(id);
    return neighbours.find(id)!.link.debt;
  });
  const [one, other] = debts;
  one!.asked(0);
  other!.asked(0);
  const speak = (nowMs: number) => {
    for (const debt of debts) debt.spoke({ queueMs: 0, blockMs: 1 }, nowMs);
  };
  for (const nowMs of [200, 400]) speak(nowMs);
  other!.came(2000, 410);
  expect(neighbours.doubtOverdue()).toBe(false);
  for (const nowMs of [600, 800, 1000]) speak(nowMs);
  expect(neighbours.doubtOverdue()).toBe(true);
  expect(neighbours.doubtOverdue()).toBe(false);
  expect(neighbours.doubted.size).toBe(2);
  one!.came(2000, 1100);
  expect([...neighbours.doubted]).toEqual([neighbours.find("other")!.slot]);
});

it("are named by whose paths are old, until the supernode has told them again, and nobody else's word counts", () => {
  const { neighbours, meet } = listening();
  meet("one");
  const { link } = neighbours.find("one")!;
  const beganMs = link.pathSinceMs;
  expect(neighbours.toRenew(beganMs + PASS_MS / 2)).toEqual([]);
  expect(neighbours.toRenew(beganMs + PASS_MS / 2 + 1)).toEqual(["one"]);
  const again = { ...link.neighbour, path: "/peer/file/x/new" };
  neighbours.meet(again);
  expect(link.neighbour.path).toBe("/peer/file/x");
  neighbours.told(again);
  expect(neighbours.find("one")!.link).toBe(link);
  expect(link.neighbour.path).toBe("/peer/file/x/new");
  link.renew(again.path, beganMs + PASS_MS);
  expect(neighbours.toRenew(beganMs + PASS_MS + 1)).toEqual([]);
});
