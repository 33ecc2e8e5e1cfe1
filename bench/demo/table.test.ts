import { describe, expect, test } from "vitest";
import { egressFactor, type NodeRow, renderTable, verdict } from "./table.ts";

const row = (name: string, verified = 7): NodeRow => ({
  name,
  address: "127.1.2.3",
  seconds: 3.456,
  fromPeers: 150_000_000,
  fromRegistry: 50_040_000,
  verified,
  digests: 7,
});

describe("renderTable", () => {
  const text = renderTable([row("node 1"), row("node 2", 6)], {
    sent: 203_000_000,
    image: 200_000_000,
    nodes: 2,
  });

  test("shows a line a node, in MB", () => {
    expect(text).toContain("│ node 1 │ 127.1.2.3 │    3.46 │         150.0 │             50.0 │");
    expect(text).toMatch(/│ node 1 .* 7\/7 │/);
    expect(text).toMatch(/│ node 2 .* 6\/7 │/);
  });

  test("says what the registry sent, and what it would have sent", () => {
    expect(text).toContain("The registry sent 203.0 MB: 1.01 times the image of 200.0 MB.");
    expect(text).toContain("Without p2p it would have been 2.00 times.");
  });
});

describe("verdict", () => {
  const egress = (sent: number) => ({ sent, image: 200, nodes: 4 });

  test("is well up to 1.05 times the image", () => {
    expect(egressFactor(egress(210))).toBe(1.05);
    expect(verdict([row("node 1")], egress(210))).toBeUndefined();
  });

  test("blames the registry's egress above that", () => {
    expect(verdict([row("node 1")], egress(210.4))).toBe(
      "the registry sent 1.052 times the image, more than 1.05",
    );
  });

  test("blames the nodes with wrong bytes first", () => {
    const rows = [row("node 1"), row("node 2", 6), { ...row("node 3", 0), digests: 0 }];
    expect(verdict(rows, egress(800))).toBe(
      "wrong bytes on node 2, node 3: a digest did not verify",
    );
  });
});
