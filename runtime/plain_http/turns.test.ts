import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Turns } from "./turns.ts";

const MOST = 32;
const SERVER = "https://registry.example";

/** Takes so many turns; those that have come, in order. */
function taking(turns: Turns, count: number, signal?: AbortSignal) {
  const came: (() => void)[] = [];
  const all = Array.from({ length: count }, async () => {
    came.push(await turns.take(SERVER, signal));
  });
  return { came, all };
}

const settled = () => vi.advanceTimersByTimeAsync(0);

describe("Turns", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("lets so many ask at once, and for each that is done the next", async () => {
    const turns = new Turns();
    const { came } = taking(turns, MOST + 2);
    await settled();
    expect(came).toHaveLength(MOST);
    came[0]!();
    await settled();
    expect(came).toHaveLength(MOST + 1);
    for (const done of came.slice(1)) done();
    await settled();
    expect(came).toHaveLength(MOST + 2);
  });

  it("counts each server for itself", async () => {
    const turns = new Turns();
    taking(turns, MOST);
    await settled();
    await expect(turns.take("https://other.example")).resolves.toBeTypeOf("function");
  });

  it("lets nobody wait for longer than a second", async () => {
    const turns = new Turns();
    const { came } = taking(turns, MOST + 1);
    await vi.advanceTimersByTimeAsync(999);
    expect(came).toHaveLength(MOST);
    await vi.advanceTimersByTimeAsync(1);
    expect(came).toHaveLength(MOST + 1);
  });

  it("forgets those who have gone away", async () => {
    const turns = new Turns();
    const { came } = taking(turns, MOST);
    const gone = new AbortController();
    const [waits] = taking(turns, 1, gone.signal).all;
    const behind = taking(turns, 1);
    gone.abort(new Error("the client hung up"));
    await expect(waits).rejects.toThrow("the client hung up");
    await expect(turns.take(SERVER, gone.signal)).rejects.toThrow("the client hung up");
    came[0]!();
    await settled();
    expect(behind.came).toHaveLength(1);
  });
});
