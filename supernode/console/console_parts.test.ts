import { describe, expect, test } from "vitest";
import { History } from "./history.ts";
import { MeasuredRates } from "./measured_rates.ts";
import { MOST_CELLS, PieceMap } from "./piece_map.ts";
import { Recorder, withoutQueries } from "./recorder.ts";
import { fileName, imageName, shownUrl } from "./shown_url.ts";
import { SlowNodes } from "./slow_nodes.ts";

describe("the history", () => {
  test("keeps as many points as fit, the last ones, in order", () => {
    const history = new History(3);
    for (let ms = 1; ms <= 5; ms++) history.add([ms, ms * 10, ms]);
    expect(history.after().map(([ms]) => ms)).toEqual([3, 4, 5]);
    expect(history.after(4)).toEqual([[5, 50, 5]]);
  });
});

describe("the piece map", () => {
  test("tells nobody, coming, some and all apart", () => {
    const map = new PieceMap(4);
    map.node([0, 1]);
    map.node([0]);
    map.node([0, 99]);
    map.coming(1);
    map.coming(2);
    map.coming(-1);
    expect(map.toString()).toBe("93~.");
  });

  test("a node with all of it counts everywhere", () => {
    const map = new PieceMap(3);
    map.node("all");
    map.node([]);
    expect(map.toString()).toBe("555");
  });

  test("a large file's pieces share cells, and none is lost", () => {
    const map = new PieceMap(1000);
    map.node([999]);
    const text = map.toString();
    expect(text).toHaveLength(MOST_CELLS);
    expect(text.indexOf("3")).toBe(MOST_CELLS - 1);
    expect(new PieceMap(0).toString()).toBe("");
  });
});

describe("URLs", () => {
  const blob = `https://user:pw@reg.example/v2/team/app/blobs/sha256:${"ab".repeat(32)}?sig=x#y`;

  test("are shown without user, password, query and fragment", () => {
    expect(shownUrl(blob)).toBe(`https://reg.example/v2/team/app/blobs/sha256:${"ab".repeat(32)}`);
    expect(shownUrl("http://host/%zz?token=x")).toBe("http://host/%zz");
    expect(shownUrl("secret?token=x")).toBe("(not a URL)");
  });

  test("are called as people call them", () => {
    expect(fileName(blob)).toEqual({
      ...{ name: "team/app", host: "reg.example", digest: "sha256:abababababab" },
    });
    expect(fileName("http://host:80/a/big.tar?x=1").name).toBe("big.tar");
    expect(fileName("http://host/").name).toBe("host");
    expect(imageName("https://reg:5000/v2/team/app/manifests/1.2")).toBe("reg:5000/team/app:1.2");
    expect(imageName("https://reg/v2/a/manifests/sha256:00")).toBe("reg/a@sha256:00");
  });

  test("in texts lose their queries", () => {
    expect(withoutQueries("no copy of http://h/f?sig=…&x=…: it is gone")).toBe(
      "no copy of http://h/f: it is gone",
    );
  });
});

describe("the recorder", () => {
  test("tells what registries sent from what nodes got", () => {
    const recorder = new Recorder(() => 0);
    recorder.sourceBytes(100);
    recorder.nodeReceived("registry", 10);
    recorder.nodeReceived("supernode", 100);
    recorder.nodeReceived("peer", 300);
    expect(recorder.totals).toMatchObject({ delivered: 410, egress: 110, fromSupernode: 100 });
  });

  test("keeps the last problems, and counts one that comes again", () => {
    let nowMs = 1000;
    const recorder = new Recorder(() => nowMs);
    const problem = { kind: "refused", node: "10.0.0.1", text: "http://h/f?t=1: 401" } as const;
    recorder.problem(problem);
    nowMs = 2000;
    recorder.problem(problem);
    expect([...recorder.problems.values()]).toEqual([
      { kind: "refused", node: "10.0.0.1", text: "http://h/f: 401", count: 2, atMs: 2000 },
    ]);
    for (let n = 0; n < 150; n++) recorder.problem({ kind: "copy failed", text: `no ${n}` });
    expect(recorder.problems.size).toBe(100);
    expect(recorder.totals.problems).toBe(152);
  });

  test("a download that left p2p is a problem, one that went well is none", () => {
    const recorder = new Recorder(() => 0);
    const report = {
      ...{ IP: "10.0.0.1", cID: "c", callSystem: "", duration: 1, fileLength: 1, port: 0 },
      ...{ taskId: "t", success: true, backsourceReason: "0" },
    };
    recorder.downloadReported(report);
    expect(recorder.problems.size).toBe(0);
    recorder.downloadReported({ ...report, backsourceReason: "4" });
    recorder.downloadReported({ ...report, success: false });
    expect([...recorder.problems.values()].map(({ text }) => text)).toEqual([
      "a download went to the source by itself: no space left on its disk",
      "a download failed",
    ]);
  });
});

describe("slow nodes", () => {
  const rates = (...list: number[]) => list.map((rate, index) => ({ id: `n${index}`, rate }));

  test("are those far below the others for a while", () => {
    const slow = new SlowNodes();
    const look = (nowMs: number, ...list: number[]) => {
      const found = slow.among(rates(...list), nowMs).map(({ id }) => id);
      slow.forgetOthers();
      return found;
    };
    expect(look(0, 100, 100, 10)).toEqual([]);
    expect(look(4000, 100, 100, 10)).toEqual([]);
    expect(look(5000, 100, 100, 10)).toEqual(["n2"]);
    expect(look(6000, 100, 100, 50)).toEqual([]);
    expect(look(7000, 100, 100, 10)).toEqual([]);
  });

  test("nobody is where two are too few to tell", () => {
    const slow = new SlowNodes();
    expect(slow.among(rates(100, 1), 0)).toEqual([]);
    expect(slow.among(rates(100, 1), 9000)).toEqual([]);
  });
});

test("rates that nobody tells are measured", () => {
  const measured = new MeasuredRates();
  expect(measured.of("a", 0, 0)).toBe(0);
  let rate = 0;
  for (let second = 1; second <= 30; second++) rate = measured.of("a", second * 500, second * 1000);
  expect(rate).toBeCloseTo(500, 0);
  measured.forgetOthers();
  measured.forgetOthers();
  expect(measured.of("a", 1e9, 40_000)).toBe(0);
});
