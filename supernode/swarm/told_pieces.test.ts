import { expect, it } from "vitest";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { DEFAULT_LIMITS } from "../schedule/v1/limits.ts";
import { type PullDecision, TaskSchedule } from "../schedule/v1/task_schedule.ts";
import { SourceAccess, type Task, taskPieceCount } from "../tasks/task.ts";
import { ToldPieces } from "./told_pieces.ts";

const PIECE = 4_194_304;

function framedTask(): Task {
  return {
    id: "t",
    rawUrl: "http://source.test/f",
    taskUrl: "http://source.test/f",
    isVouchedFor: true,
    isPublic: true,
    md5: "",
    identifier: "",
    cdnSource: "supernode",
    pieceSize: PIECE,
    access: new SourceAccess({}),
    length: 3 * PIECE - 15,
    validators: { etag: "", lastModified: "" },
    cdnStatus: "RUNNING",
    pieceSums: ["sum:1"],
    realMd5: "",
    createdMs: 0,
    lastAccessMs: 0,
  };
}

function given(decision: PullDecision): number[] {
  return decision.kind === "pieces" ? decision.pieces.map(({ piece }) => piece) : [];
}

it("names a node for framed pieces only where their md5 is known, and says later what was left out", () => {
  const task = framedTask();
  const schedule = new TaskSchedule("supernode", taskPieceCount(task), DEFAULT_LIMITS, () => 0.5);
  for (const cid of ["node", "v1"]) schedule.join(cid, true, 0);
  const pieces = new Bitmap(3);
  pieces.add(0);
  pieces.add(2);
  const told = new ToldPieces();
  told.tell(pieces.toBase64(), { cid: "node", task, schedule }, 0);
  expect(given(schedule.pull("v1", 0))).toEqual([0]);
  task.pieceSums = ["sum:1", "sum:1", "sum:1"];
  told.tell("all", { cid: "node", task, schedule }, 1);
  expect(given(schedule.pull("v1", 1))).toEqual([1, 2]);
});

it("does not bring back a piece of which v1 clients complained", () => {
  const task = { ...framedTask(), pieceSums: ["sum:1", "sum:1", "sum:1"] };
  const schedule = new TaskSchedule("supernode", taskPieceCount(task), DEFAULT_LIMITS, () => 0.5);
  for (const cid of ["node", "v1"]) schedule.join(cid, true, 0);
  const told = new ToldPieces();
  told.tell("all", { cid: "node", task, schedule }, 0);
  schedule.pieceLost("node", 1);
  told.tell("all", { cid: "node", task, schedule }, 1);
  expect(given(schedule.pull("v1", 1))).toEqual([0, 2]);
});
