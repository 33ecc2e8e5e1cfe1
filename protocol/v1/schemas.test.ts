import { describe, expect, it } from "vitest";
import { parsePieceSum } from "./piece_sum.ts";
import { preheatRequestSchema } from "./preheat.ts";
import { finishedDataSchema, pieceTasksSchema, pullRequestSchema } from "./pull_piece.ts";
import { registerDataSchema, registerRequestSchema } from "./register.ts";
import { taskMetricsSchema } from "./report.ts";

/** As the Go client sent it (transcript local-cold-three). */
const REGISTRATION = {
  superNodeIp: "127.0.0.1",
  rawUrl: "http://127.0.0.1:18080/three",
  taskUrl: "http://127.0.0.1:18080/three",
  cid: "127.0.0.2-11174-1795513266.665",
  ip: "127.0.0.2",
  hostName: "vm",
  port: 15001,
  path: "/peer/file/cold-three-three-11174-1795513266.665",
};

describe("registration", () => {
  it("reads the client's names and the server's alike", () => {
    const fromClient = registerRequestSchema.parse(REGISTRATION);
    const { rawUrl, taskUrl, cid, ip, ...rest } = REGISTRATION;
    const fromModel = registerRequestSchema.parse({
      ...rest,
      rawURL: rawUrl,
      TASKURL: taskUrl,
      cID: cid,
      IP: ip,
    });
    expect(fromModel).toEqual(fromClient);
    expect(fromClient).toMatchObject({
      rawURL: rawUrl,
      cID: cid,
      IP: ip,
      port: 15001,
      pattern: "p2p",
    });
  });

  it.each([
    ["no IP", { ip: undefined }],
    ["a name for an IP", { ip: "not-an-ip" }],
    ["a low port", { port: 80 }],
    ["a high port", { port: 65001 }],
    ["another scheme", { rawUrl: "ftp://x/y" }],
    ["no cid", { cid: "" }],
    ["a name that steers a terminal", { hostName: "vm\x1b[2J" }],
    ["a name of two lines", { cid: "a\nb" }],
    ["a number for a URL", { rawUrl: 5 }],
    ["headers that are no list", { headers: "A:b" }],
  ])("refuses %s", (_what, change) => {
    expect(registerRequestSchema.safeParse({ ...REGISTRATION, ...change }).success).toBe(false);
  });

  it("takes a client that cannot serve, and null for absent", () => {
    expect(registerRequestSchema.parse({ ...REGISTRATION, port: 0, headers: null })).toMatchObject({
      port: 0,
      headers: [],
    });
  });

  it("reads v1's answer", () => {
    const data = registerDataSchema.parse({
      taskId: "x",
      fileLength: -1,
      pieceSize: 4194304,
      cdnSource: "supernode",
      asSeed: false,
      seedTaskID: "",
    });
    expect(data).toMatchObject({ fileLength: -1, cdnSource: "supernode" });
  });
});

describe("pull", () => {
  it("reads the client's query", () => {
    expect(
      pullRequestSchema.parse({
        srcCid: "c",
        dstCid: "",
        range: "",
        result: "502",
        status: "700",
        taskId: "t",
      }),
    ).toMatchObject({ result: 502, status: 700 });
  });
  it.each([{}, { status: "zzz" }, { status: "703" }, { status: "700", result: "1" }])(
    "refuses %j",
    (query) => {
      expect(pullRequestSchema.safeParse(query).success).toBe(false);
    },
  );
  it("reads v1's pieces and its finish", () => {
    const [piece] = pieceTasksSchema.parse([
      {
        range: "0-4194303",
        pieceNum: 0,
        pieceSize: 4194304,
        pieceMd5: "a80a084284925836375dfed7efd21683:4194304",
        cid: "cdnnode:127.0.0.1~781f",
        peerIp: "127.0.0.1",
        peerPort: 28001,
        path: "/download/781/781f",
        downLink: 0,
      },
    ]);
    expect(parsePieceSum(piece!.pieceMd5)).toEqual({
      algorithm: "md5",
      hex: "a80a084284925836375dfed7efd21683",
      length: 4194304,
    });
    expect(finishedDataSchema.parse({ md5: "", fileLength: 0 })).toEqual({
      md5: "",
      fileLength: 0,
    });
  });
});

describe("other bodies", () => {
  it("metrics take what v1 sends, and little", () => {
    expect(
      taskMetricsSchema.parse({ IP: "127.0.0.2", cID: "c", duration: 0.5, success: true }),
    ).toMatchObject({
      success: true,
      fileLength: 0,
    });
    expect(taskMetricsSchema.parse({})).toMatchObject({ success: false });
  });
  it("preheats are of a file or an image", () => {
    expect(preheatRequestSchema.parse({ type: "file", URL: "http://h/x" })).toMatchObject({
      url: "http://h/x",
    });
    expect(preheatRequestSchema.safeParse({ type: "zip", url: "http://h/x" }).success).toBe(false);
  });
});
