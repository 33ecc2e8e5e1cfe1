import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MemoryLedger } from "../testing/memory_ledger.ts";
import { ALIVE_MS, RENEW_MS, TASK_MS } from "./ledger.ts";
import { Ownership } from "./ownership.ts";

const A = "10.64.0.1:8002";
const B = "10.64.0.2:8002";

let ledger: MemoryLedger;
const open: Ownership[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  ledger = new MemoryLedger();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
  vi.useRealTimers();
});

async function start(self: string, keys: string[] = [], answers = true) {
  const lost: string[] = [];
  const ownership = new Ownership({
    ledger,
    self: () => self,
    keys: () => keys,
    lost: (key) => lost.push(key),
    answers: async () => answers,
    now: () => performance.now(),
  });
  open.push(ownership);
  await ownership.start();
  return { ownership, lost, keys };
}

it("a task is whose it was first, and another's when that one is gone", async () => {
  const [a, b] = [await start(A), await start(B)];
  expect(await a.ownership.ownerOf("t")).toBeUndefined();
  expect(await b.ownership.ownerOf("t")).toBe(A);
  expect(b.ownership.begunElsewhere("t")).toBe(false);
  ledger.alive.delete(A);
  expect(await b.ownership.ownerOf("t")).toBeUndefined();
  expect(b.ownership.begunElsewhere("t")).toBe(true);
  await vi.advanceTimersByTimeAsync(TASK_MS);
  expect(b.ownership.begunElsewhere("t")).toBe(false);
});

it("a supernode that refuses connections counts as gone, whatever the ledger says", async () => {
  const [a, b] = [await start(A), await start(B)];
  await a.ownership.ownerOf("t");
  expect(await b.ownership.ownerOf("t", A)).toBeUndefined();
  expect(await a.ownership.ownerOf("t")).toBe(B);
});

it("without its ledger it is alone, and asks it no more for each task", async () => {
  const a = await start(A);
  const claim = vi.spyOn(ledger, "claim");
  ledger.owners.set("t", B);
  ledger.alive.set(B, "run");
  ledger.broken = true;
  for (let count = 0; count < 3; count++) expect(await a.ownership.ownerOf("t")).toBeUndefined();
  expect(claim).toHaveBeenCalledTimes(1);
  expect(a.ownership.sharing).toEqual({ state: "alone", reason: "it is broken" });
  // Whoever has mended the one thing learns of the next.
  vi.spyOn(ledger, "renew").mockRejectedValueOnce(new Error("no such password"));
  await vi.advanceTimersByTimeAsync(RENEW_MS);
  expect(a.ownership.sharing).toEqual({ state: "alone", reason: "no such password" });
  ledger.broken = false;
  await vi.advanceTimersByTimeAsync(RENEW_MS);
  expect(a.ownership.sharing).toEqual({ state: "shared", reason: "" });
  expect(await a.ownership.ownerOf("t")).toBe(B);
});

it.each([
  [true, ["theirs"]],
  [false, []],
])(
  "back again it lets go of what another has by now, where that one answers: %s",
  async (answers, gone) => {
    const a = await start(A, ["theirs", "ours"], answers);
    ledger.broken = true;
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    ledger.broken = false;
    ledger.alive.set(B, "run");
    ledger.owners.set("theirs", B);
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    expect(a.lost).toEqual(gone);
    expect(ledger.owners.get("ours")).toBe(A);
  },
);

it("claims what it has again before that runs out", async () => {
  await start(A, ["t"]);
  await vi.advanceTimersByTimeAsync(TASK_MS / 2);
  expect(ledger.owners.get("t")).toBe(A);
});

it("is not sure of what it has once it was silent for long, until it has asked who has it now", async () => {
  const [a, b] = [await start(A, ["t"]), await start(B)];
  await a.ownership.ownerOf("t");
  expect(a.ownership.isSure).toBe(true);
  // Frozen: its timers do not run, the clock does.
  ledger.alive.delete(A);
  expect(await b.ownership.ownerOf("t")).toBeUndefined();
  const wake = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 2 * ALIVE_MS);
  expect(a.ownership.isSure).toBe(false);
  expect(a.lost).toEqual([]);
  await vi.advanceTimersByTimeAsync(RENEW_MS);
  expect(a.lost).toEqual(["t"]);
  expect(a.ownership.isSure).toBe(true);
  wake.mockRestore();
});

it("is sure of what it has where it is the ledger that is silent", async () => {
  const a = await start(A, ["t"]);
  ledger.broken = true;
  for (let tried = 0; tried < 12; tried++) {
    await vi.advanceTimersByTimeAsync(RENEW_MS);
    expect(a.ownership.isSure).toBe(true);
  }
});

it("leaves what it has to others when it is drained, and comes back", async () => {
  const [a, b] = [await start(A), await start(B)];
  await a.ownership.ownerOf("t");
  await a.ownership.leave(true);
  await vi.advanceTimersByTimeAsync(RENEW_MS);
  expect(await b.ownership.ownerOf("t")).toBeUndefined();
  await a.ownership.leave(false);
  expect(await a.ownership.ownerOf("t")).toBe(B);
});

it("says so where another goes by the same address, as long as that does, and not of its own earlier life", async () => {
  const namesakeOf = ({ ownership }: Awaited<ReturnType<typeof start>>) =>
    ownership.sharing.namesake;
  ledger.alive.set(A, "an earlier life");
  const [a, b] = [await start(A), await start(B)];
  await vi.advanceTimersByTimeAsync(3 * RENEW_MS);
  expect([a, b].map(namesakeOf)).toEqual([undefined, undefined]);
  const twin = await start(A);
  await vi.advanceTimersByTimeAsync(3 * RENEW_MS);
  expect([a, b, twin].map(namesakeOf)).toEqual([A, undefined, A]);
  await twin.ownership.stop();
  await vi.advanceTimersByTimeAsync(20 * RENEW_MS);
  expect(namesakeOf(a)).toBeUndefined();
});
