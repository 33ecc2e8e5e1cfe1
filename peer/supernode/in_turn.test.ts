import { describe, expect, it } from "vitest";
import { InTurn } from "./in_turn.ts";

/** A task that ends when it is told to. */
function task(log: string[], name: string) {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    log.push(`${name} begins`);
    await ended;
    log.push(`${name} ends`);
    return name;
  };
  return { run, end };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("InTurn", () => {
  it("begins a task when the one before it has ended", async () => {
    const log: string[] = [];
    const line = new InTurn(60_000);
    const [a, b] = [task(log, "a"), task(log, "b")];
    const first = line.run(a.run);
    const second = line.run(b.run);
    await turn();
    expect(log).toEqual(["a begins"]);
    a.end();
    b.end();
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
    expect(log).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  it("goes on after one that failed, and hands its failure to its own caller only", async () => {
    const line = new InTurn(60_000);
    const failing = line.run(() => Promise.reject(new Error("no")));
    const next = line.run(async () => "yes");
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe("yes");
  });

  it("does not wait for one that takes long", async () => {
    const log: string[] = [];
    const line = new InTurn(1);
    const [stuck, next] = [task(log, "stuck"), task(log, "next")];
    const first = line.run(stuck.run);
    next.end();
    expect(await line.run(next.run)).toBe("next");
    stuck.end();
    await first;
    expect(log).toEqual(["stuck begins", "next begins", "next ends", "stuck ends"]);
  });
});
