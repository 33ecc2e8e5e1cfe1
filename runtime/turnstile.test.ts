import { expect, it } from "vitest";
import { Turnstile } from "./turnstile.ts";

it("lets in so many at once, the others in order", async () => {
  const turnstile = new Turnstile(2);
  const { signal } = new AbortController();
  const began: number[] = [];
  const ends: (() => void)[] = [];
  const jobs = [0, 1, 2, 3].map((job) =>
    turnstile.pass(signal, async () => {
      began.push(job);
      await new Promise<void>((resolve) => ends.push(resolve));
      return job;
    }),
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  expect(began).toEqual([0, 1]);
  expect(turnstile.load).toEqual({ running: 2, waiting: 2 });
  ends[1]!();
  await settle();
  expect(began).toEqual([0, 1, 2]);
  for (const end of ends) end();
  await settle();
  ends[3]!();
  expect(await Promise.all(jobs)).toEqual([0, 1, 2, 3]);
  expect(turnstile.load).toEqual({ running: 0, waiting: 0 });
});

it("lets go of who gives up waiting, and of who fails", async () => {
  const turnstile = new Turnstile(1);
  const patient = new AbortController();
  const impatient = new AbortController();
  let end = () => {};
  const first = turnstile.pass(patient.signal, async () => {
    await new Promise<void>((resolve) => (end = resolve));
    throw new Error("failed");
  });
  const second = turnstile.pass(impatient.signal, async () => "never");
  const third = turnstile.pass(patient.signal, async () => "third");
  impatient.abort(new Error("too long"));
  await expect(second).rejects.toThrow("too long");
  end();
  await expect(first).rejects.toThrow("failed");
  expect(await third).toBe("third");
});

it("lets in another number from now on, and waits until too many have left", async () => {
  const turnstile = new Turnstile(1);
  const { signal } = new AbortController();
  const inside = new Set<number>();
  const ends = new Map<number, () => void>();
  for (const job of [0, 1, 2, 3, 4]) {
    void turnstile.pass(signal, async () => {
      inside.add(job);
      await new Promise<void>((resolve) => ends.set(job, resolve));
      inside.delete(job);
    });
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  expect([...inside]).toEqual([0]);
  turnstile.setCapacity(3);
  await settle();
  expect([...inside]).toEqual([0, 1, 2]);
  turnstile.setCapacity(1);
  ends.get(0)!();
  ends.get(1)!();
  await settle();
  expect([...inside]).toEqual([2]);
  ends.get(2)!();
  await settle();
  expect([...inside]).toEqual([3]);
});

it("lets in who has waited for long enough, and then as many fewer", async () => {
  const turnstile = new Turnstile(1, 30);
  let end = () => {};
  const first = turnstile.pass(undefined, () => new Promise<void>((resolve) => (end = resolve)));
  expect(await turnstile.pass(undefined, async () => "second")).toBe("second");
  expect(turnstile.load).toEqual({ running: 1, waiting: 0 });
  end();
  await first;
  expect(turnstile.load).toEqual({ running: 0, waiting: 0 });
});
