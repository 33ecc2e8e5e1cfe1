import { describe, expect, it } from "vitest";
import { MOST_IN_FLIGHT, TransferWindow } from "./transfer_window.ts";

/** A window after `ms` of blocks that come every `everyMs`, each `responseMs` after it was asked for. */
function windowAt(everyMs: number, responseMs: number, ms = 3000): TransferWindow {
  const window = new TransferWindow();
  for (let nowMs = 0; nowMs <= ms; nowMs += everyMs) window.arrived(responseMs, nowMs);
  return window;
}

describe("TransferWindow", () => {
  it("keeps a tenth of a second of blocks on the way, and what the way itself takes", () => {
    // 250 blocks a second: 25 for the queues, and 2.5 for 10 ms.
    expect(windowAt(4, 10).size).toBe(28);
  });

  it("is wider where the way is long", () => {
    expect(windowAt(4, 200).size).toBe(75);
  });

  it("is never too narrow to find a faster neighbour, nor without bounds", () => {
    expect(windowAt(500, 500).size).toBe(8);
    expect(windowAt(0.1, 500).size).toBe(MOST_IN_FLIGHT);
  });

  it("remembers a good rate over a moment's lack of blocks", () => {
    const window = windowAt(4, 10);
    for (let nowMs = 3300; nowMs < 4300; nowMs += 250) window.arrived(10, nowMs);
    expect(window.size).toBe(28);
    for (let nowMs = 4300; nowMs < 7300; nowMs += 250) window.arrived(10, nowMs);
    expect(window.size).toBe(8);
  });
});
