import { expect, it } from "vitest";
import type { Holder, TaskView } from "../protocol/control/messages.ts";
import { Bitmap } from "../protocol/swarm/bitmap.ts";
import { ASCII, drawPieceMap } from "./piece_map.ts";

function holder(more: Partial<Holder>): Holder {
  return {
    ip: "10.0.0.1",
    port: 15001,
    hostName: "",
    protocol: "swarm",
    dfdaemon: true,
    state: "RUNNING",
    share: 0,
    fetches: [],
    downRate: 0,
    lastAccessMs: 0,
    ...more,
  };
}

function task(pieces: number, seeded: number, holders: Holder[]): TaskView {
  return {
    id: "a".repeat(64),
    url: "http://x/y",
    length: pieces * 4,
    cdnSource: "supernode",
    cdnStatus: "RUNNING",
    clients: { waiting: 0, running: 0, success: 0, failed: 0 },
    createdMs: 0,
    lastAccessMs: 0,
    pieceSize: 4,
    pieces,
    seeded,
    holders,
  };
}

function pieces(size: number, ...held: number[]): string {
  const bitmap = new Bitmap(size);
  for (const piece of held) bitmap.add(piece);
  return bitmap.toBase64();
}

it("draws a piece a character where there is room", () => {
  const drawn = drawPieceMap(
    task(8, 3, [
      holder({ hostName: "node1.example.net", state: "SUCCESS", share: 1 }),
      holder({
        ip: "10.0.0.2",
        share: 0.5,
        pieces: pieces(8, 0, 2, 5, 7),
        fetches: [4],
        downRate: 12_300_000,
      }),
      holder({ ip: "10.0.0.3", state: "FAILED" }),
    ]),
    { width: 80, marks: ASCII },
  );
  expect(drawn).toEqual([
    "copies                32311212",
    "supernode             ###.....",
    "node1 10.0.0.1:15001  ########  100 %",
    "10.0.0.2:15001        #.#.~#.#   50 %  12.3 MB/s",
    "10.0.0.3:15001        ........  failed",
  ]);
});

it("puts several pieces into a character where there is not: all, some, or none of them", () => {
  const size = 100;
  const held = pieces(size, ...Array(20).keys(), 35);
  const [copies, seed, node] = drawPieceMap(
    task(size, 55, [holder({ share: 0.21, pieces: held, fetches: [99] })]),
    { width: 14 + 10 + 5 + 4, marks: ASCII },
  );
  expect(copies).toBe("copies          2211100000");
  expect(seed).toBe("supernode       #####+....");
  expect(node).toBe("10.0.0.1:15001  ##.+.....~   21 %");
});

it("says so where only the part of the whole is known, as in a file of one piece", () => {
  const [copies, , node] = drawPieceMap(task(1, 0, [holder({ share: 0.4, pieces: pieces(1) })]), {
    width: 80,
    marks: ASCII,
  });
  expect(node).toBe("10.0.0.1:15001  +   40 %");
  expect(copies).toBe("copies          0");
});
