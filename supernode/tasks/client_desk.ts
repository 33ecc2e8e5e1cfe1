import { ClientStatus, Code, PieceResult } from "../../protocol/codes.ts";
import { seedClientId, seedFilePath } from "../../protocol/names.ts";
import { formatRange, parseRange, pieceNumber, wireRange } from "../../protocol/piece_range.ts";
import type { Envelope } from "../../protocol/v1/envelope.ts";
import { isMd5 } from "../../protocol/v1/piece_sum.ts";
import type { PieceTask, PullRequest } from "../../protocol/v1/pull_piece.ts";
import type { SupernodeObserver } from "../observer.ts";
import type { AssignedPiece, TaskSchedule } from "../schedule/v1/task_schedule.ts";
import type { PathPass } from "../seed/path_pass.ts";
import type { Seeder } from "../seed/seeder.ts";
import { SpoiltPieceError, type V1Sums } from "../seed/v1_sums.ts";
import { type Client, type Task, taskLayout, wireLength } from "./task.ts";
import type { TaskStore } from "./task_store.ts";
import { toldPath } from "./told_path.ts";

export interface ClientDeskOptions {
  store: TaskStore;
  schedules: ReadonlyMap<string, TaskSchedule>;
  seeder: Seeder;
  v1Sums: V1Sums;
  passes: PathPass;
  observer: SupernodeObserver;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
  /** Our own address, for clients that do not say how they see us. */
  advertiseIp: string;
  /** The port of our copies. */
  downloadPort: () => number;
}

/** A piece that somebody could not get from `dstCid`, or got a bad one of. */
export interface PieceErrorReport {
  taskId: string;
  dstCid: string;
  /** The piece's wire range, `start-end`. */
  range: string;
}

/** A client, or its task, that nobody registered. */
export class UnknownClientError extends Error {
  override name = "UnknownClientError";
}

interface Visit {
  task: Task;
  client: Client;
  schedule: TaskSchedule;
}

const ORIGINS = { source: "registry", seed: "supernode", peer: "peer" } as const;

/** Speaks with registered clients: what they report, and what they are to fetch (protocol §1). */
export class ClientDesk {
  readonly #options: ClientDeskOptions;

  constructor(options: ClientDeskOptions) {
    this.#options = options;
  }

  /**
   * Answers GET /peer/task.
   *
   * @param from the address that the request came from, as in all that follows
   */
  async pull(request: PullRequest, from?: string): Promise<Envelope> {
    const { observer, steadyNow } = this.#options;
    let visit: Visit;
    try {
      visit = this.#visit(request.taskId, request.srcCid, from);
    } catch (error) {
      return { code: Code.targetNotFound, msg: (error as Error).message };
    }
    const { task, client, schedule } = visit;
    if (request.status === ClientStatus.finished) {
      this.#end(visit, request.result === PieceResult.success ? "SUCCESS" : "FAILED");
      return { code: Code.success, msg: "success" };
    }
    if (request.status === ClientStatus.running) {
      const piece = pieceOf(task, request.range);
      if (piece === undefined) {
        if (request.range) return { code: Code.badParameter, msg: `range: ${request.range}` };
      } else this.#report(visit, piece, request);
    }
    if (client.state !== "SUCCESS") client.state = "RUNNING";
    const wantsMd5 = taskLayout(task).framed && !client.pieceSha256;
    if (wantsMd5) this.#followByMd5(visit);
    const began = performance.now();
    const decision = schedule.pull(client.cid, steadyNow());
    observer.pieceScheduled(client.ip, performance.now() - began);
    switch (decision.kind) {
      case "pieces": {
        const pieces = this.#checkable(visit, decision.pieces);
        const data = wantsMd5 ? await this.#withMd5s(visit, pieces) : withSums(task, pieces);
        return data.length > 0 ? { code: Code.continue, data } : waitFor(task);
      }
      case "wait":
        return waitFor(task);
      case "finished":
        // It is being hashed: see above.
        if (wantsMd5 && task.realMd5 === "") return waitFor(task);
        this.#end(visit, "SUCCESS");
        return { code: Code.finished, data: finishedData(task) };
      case "error": {
        this.#end(visit, "FAILED");
        const ofSource = task.cdnStatus !== "FAILED";
        return {
          code: ofSource ? Code.sourceError : Code.systemError,
          msg: `task ${task.id}: ${decision.reason}`,
        };
      }
    }
  }

  /**
   * A client has written a piece to disk (GET /peer/piece/suc).
   *
   * @throws {UnknownClientError} or RangeError where the range names no piece
   */
  pieceStored(taskId: string, cid: string, range: string, from?: string): void {
    const visit = this.#visit(taskId, cid, from);
    const piece = pieceOf(visit.task, range);
    if (piece === undefined) throw new RangeError(`pieceRange ${range} names no piece`);
    this.#succeeded(visit, piece, true);
  }

  /** A piece was bad, or not there (GET /peer/piece/error); reports about unknown tasks say nothing. */
  pieceError(report: PieceErrorReport): void {
    const task = this.#options.store.task(report.taskId);
    const schedule = this.#options.schedules.get(report.taskId);
    const piece = task && pieceOf(task, report.range);
    if (!task || !schedule || piece === undefined) return;
    if (report.dstCid === this.#seedCid(task)) {
      // Its outcome is in the task's status, and the file system's trouble in the log.
      this.#options.seeder.doubt(task, schedule, piece).catch(() => {});
    } else schedule.pieceLost(report.dstCid, piece);
  }

  /**
   * A client is gone (GET /peer/service/down).
   *
   * @throws {UnknownClientError}
   */
  serviceDown(taskId: string, cid: string, from?: string): void {
    this.#visit(taskId, cid, from);
    this.#options.store.removeClient(taskId, cid);
  }

  #visit(taskId: string, cid: string, from: string | undefined): Visit {
    const { store, schedules } = this.#options;
    const task = store.task(taskId);
    const client = store.client(taskId, cid);
    const schedule = schedules.get(taskId);
    const isOther = client?.onlyFrom !== undefined && client.onlyFrom !== from;
    if (!task || !client || !schedule || isOther)
      throw new UnknownClientError(`no client ${cid} of task ${taskId} is registered here`);
    store.touch(client);
    return { task, client, schedule };
  }

  #report(visit: Visit, piece: number, request: PullRequest): void {
    if (request.result === PieceResult.semiSuccess) this.#succeeded(visit, piece, false);
    else if (request.result === PieceResult.success) this.#succeeded(visit, piece, true);
    else if (request.result === PieceResult.failed)
      visit.schedule.failed(visit.client.cid, piece, request.dstCid, this.#options.steadyNow());
  }

  #succeeded({ task, client, schedule }: Visit, piece: number, onDisk: boolean): void {
    const from = schedule.fetchesFrom(client.cid, piece) ?? "peer";
    if (!schedule.succeeded(client.cid, piece, onDisk, this.#options.steadyNow())) return;
    const start = piece * task.pieceSize;
    const total = wireLength(task);
    const bytes = total < 0 ? task.pieceSize : Math.min(task.pieceSize, total - start);
    this.#options.observer.pieceDownloaded(bytes);
    this.#options.observer.nodeReceived(ORIGINS[from], bytes);
  }

  #end({ client }: Visit, state: "SUCCESS" | "FAILED"): void {
    if (client.state === state) return;
    client.state = state;
    if (state === "FAILED") this.#options.observer.clientFailed(client.callSystem);
  }

  /** Has the copy hashed by md5 as far as it has come, for a v1 client. */
  #followByMd5(visit: Visit): void {
    const { v1Sums } = this.#options;
    v1Sums.follow(visit.task).catch((error: SpoiltPieceError) => this.#doubt(visit, error));
  }

  /**
   * What a client is to fetch, of what it can check. In pattern `source` v1 has no sums; else our own copy says them, and what
   * that has not got (others have it from an earlier one) nobody could check.
   */
  #checkable(visit: Visit, assigned: readonly AssignedPiece[]): PieceTask[] {
    const { task, client, schedule } = visit;
    return assigned.flatMap((one) => {
      if (!taskLayout(task).framed || task.pieceSums[one.piece] !== undefined)
        return this.#pieceTask(visit, one);
      schedule.takeBack(client.cid, one.piece);
      return [];
    });
  }

  /** The pieces with the md5s by which a v1 client checks them; none where the copy is spoilt. */
  async #withMd5s(visit: Visit, pieces: readonly PieceTask[]): Promise<PieceTask[]> {
    const { task, client, schedule } = visit;
    const withMd5 = async (piece: PieceTask): Promise<PieceTask> => ({
      ...piece,
      pieceMd5: await this.#options.v1Sums.piece(task, piece.pieceNum),
    });
    try {
      return await Promise.all(pieces.map(withMd5));
    } catch (error) {
      if (!(error instanceof SpoiltPieceError)) throw error;
      for (const { pieceNum } of pieces) schedule.takeBack(client.cid, pieceNum);
      this.#doubt(visit, error);
      return [];
    }
  }

  #doubt({ task, schedule }: Visit, { piece }: SpoiltPieceError): void {
    // Its outcome is in the task's status, and the file system's trouble in the log.
    this.#options.seeder.doubt(task, schedule, piece).catch(() => {});
  }

  #seedCid(task: Task): string {
    return seedClientId(this.#options.advertiseIp, task.id);
  }

  #pieceTask({ task, client }: Visit, { piece, server }: AssignedPiece): PieceTask {
    const { store, passes, steadyNow, advertiseIp, downloadPort } = this.#options;
    const common = {
      range: formatRange(wireRange(piece, task.pieceSize)),
      pieceNum: piece,
      pieceSize: task.pieceSize,
      pieceMd5: "",
    };
    if (server.kind === "peer") {
      const peer = store.client(task.id, server.cid);
      // The schedule forgets a client when the store does.
      if (!peer) throw new Error(`the schedule names client ${server.cid}, who is gone`);
      return {
        ...common,
        cid: peer.cid,
        peerIp: peer.ip,
        peerPort: peer.port,
        path: toldPath(peer, steadyNow()),
        downLink: 0,
      };
    }
    return {
      ...common,
      cid: this.#seedCid(task),
      peerIp: client.superNodeIp || advertiseIp,
      peerPort: downloadPort(),
      path: server.kind === "source" ? client.rawUrl : seedFilePath(task.id, passes.issue(task.id)),
      downLink: 0,
    };
  }
}

function waitFor(task: Task): Envelope {
  return { code: Code.wait, msg: `task ${task.id}: nothing to fetch now, ask again` };
}

/** The pieces with the sums of our own copy, by which one of our clients checks them. */
function withSums(task: Task, pieces: readonly PieceTask[]): PieceTask[] {
  if (!taskLayout(task).framed) return [...pieces];
  return pieces.map((piece) => {
    const sum = task.pieceSums[piece.pieceNum]!;
    return isMd5(sum) ? { ...piece, pieceMd5: sum } : { ...piece, pieceSha256: sum };
  });
}

function pieceOf(task: Task, range: string): number | undefined {
  const parsed = parseRange(range);
  return parsed && pieceNumber(parsed, task.pieceSize);
}

/** v1 gives neither md5 nor length in pattern `source`. */
function finishedData(task: Task): { fileLength: number; md5: string } {
  if (!taskLayout(task).framed) return { fileLength: 0, md5: "" };
  return { fileLength: wireLength(task), md5: task.realMd5 };
}
