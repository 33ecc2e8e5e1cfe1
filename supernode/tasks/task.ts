import type { PathKey } from "../../protocol/path_pass.ts";
import { FRAME_BYTES } from "../../protocol/piece_frame.ts";
import { contentSize, type PieceLayout, pieceCount } from "../../protocol/piece_range.ts";
import { type BlockRun, runRange } from "../../protocol/swarm/blocks.ts";
import type { CdnStatus } from "../../protocol/v1/peers.ts";
import type { CdnSource, RegisterRequest } from "../../protocol/v1/register.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";

/**
 * How the source lets somebody in: request headers (credentials among them) and whom to trust. It
 * hides itself from JSON, so that no answer or log line can show it by accident.
 */
export class SourceAccess {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsTrust;

  constructor(headers: Readonly<Record<string, string>>, tls: TlsTrust = {}) {
    this.headers = headers;
    this.tls = tls;
  }

  toJSON(): string {
    return "(hidden)";
  }
}

/** What tells one version of a file at the source from another; empty where the source is silent. */
export interface Validators {
  etag: string;
  lastModified: string;
}

/** A file being distributed. */
export interface Task {
  readonly id: string;
  /** The URL as the latest registrant gave it; may carry a token in its query: redact before showing. */
  rawUrl: string;
  /** `rawUrl` without the parameters that `--filter` removes. */
  readonly taskUrl: string;
  /** Whether the source had let in the one for whom it was begun: not where it could not be asked. */
  readonly isVouchedFor: boolean;
  /** Whether the source gives it to everybody: it gave it to one who said nothing of who asks. */
  readonly isPublic: boolean;
  /** md5 of the whole file as a user promised it, or empty. */
  readonly md5: string;
  readonly identifier: string;
  /** Where its pieces come from at first, and so whether they travel framed (`supernode`) or bare. */
  readonly cdnSource: CdnSource;
  /** Bytes of a full piece on the wire. */
  readonly pieceSize: number;
  /** The latest registrant's way into the source. */
  access: SourceAccess;
  /** Bytes of the file, -1 while unknown. */
  length: number;
  validators: Validators;
  /** How far the supernode's own copy is. */
  cdnStatus: CdnStatus;
  /**
   * `<hex>:<bytes on the wire>` of each piece of the own copy, by piece number: by sha256, by md5 in copies of old. A copy
   * that is made anew has another list.
   */
  pieceSums: string[];
  /** md5 of the whole file as measured, or empty: only v1's clients want it. */
  realMd5: string;
  /** ms since the epoch. */
  readonly createdMs: number;
  /** When a client last registered, pulled or reported; by the steady clock, ms. */
  lastAccessMs: number;
}

/** Whether the supernode's own copy was begun and could not be had. */
export function hasFailed(task: Task): boolean {
  return task.cdnStatus === "FAILED" || task.cdnStatus === "SOURCE_ERROR";
}

/**
 * How far our own copy is, as operators see it: where none was asked for (CDN pattern `source`) there is
 * nothing to wait for, and v1 says `SUCCESS` from the start.
 */
export function shownCdnStatus({ cdnSource, cdnStatus }: Task): CdnStatus {
  return cdnSource === "source" && cdnStatus === "WAITING" ? "SUCCESS" : cdnStatus;
}

/** How the pieces of a task lie in its file. */
export function taskLayout(task: Task): PieceLayout {
  return {
    pieceSize: task.pieceSize,
    framed: task.cdnSource === "supernode",
    length: task.length,
  };
}

/** How many pieces a task has; `undefined` while its length is unknown. */
export function taskPieceCount(task: Task): number | undefined {
  return task.length < 0 ? undefined : pieceCount(taskLayout(task));
}

/** Bytes of file and frames together (v1's `fileLength`); -1 while unknown. */
export function wireLength(task: Task): number {
  const layout = taskLayout(task);
  if (task.length < 0) return -1;
  return layout.framed ? task.length + FRAME_BYTES * pieceCount(layout) : task.length;
}

/** Bytes of a task's file that the supernode's own copy has. */
export function copiedBytes(task: Task): number {
  if (task.cdnStatus === "SUCCESS") return Math.max(0, task.length);
  const bytes = task.pieceSums.length * contentSize(taskLayout(task));
  return task.length < 0 ? bytes : Math.min(bytes, task.length);
}

/** The pieces of a task's file in which a run of blocks lies. */
export function piecesOfRun(task: Task, run: BlockRun): number[] {
  const { start, end } = runRange(run, task.length);
  const size = contentSize(taskLayout(task));
  const first = Math.floor(start / size);
  return Array.from({ length: Math.floor(end / size) - first + 1 }, (_, index) => first + index);
}

/** A client that was heard of within this time is still at its task, ms. */
export const CLIENT_ACTIVE_MS = 60_000;

export type ClientState = "WAITING" | "RUNNING" | "SUCCESS" | "FAILED";

/** One download of a task by a peer (v1's "dfget task"). */
export interface Client {
  readonly cid: string;
  readonly taskId: string;
  readonly peerId: string;
  readonly ip: string;
  /** Port of its peer server; 0: it cannot serve. */
  readonly port: number;
  /** `/peer/file/<taskFileName>`; others are told it by `toldPath`. */
  readonly path: string;
  /** Absent from v1's clients. */
  readonly pathKey?: PathKey | undefined;
  readonly pattern: RegisterRequest["pattern"];
  readonly callSystem: string;
  readonly dfdaemon: boolean;
  /** The supernode's address as this client sees it. */
  readonly superNodeIp: string;
  /**
   * The address that it registered from, and alone may speak from, where its id can be guessed, as v1's
   * can: process number and time.
   */
  readonly onlyFrom?: string | undefined;
  /** It checks pieces by sha256, as our own do: v1's need md5s. */
  readonly pieceSha256?: boolean;
  /** The URL it asked for, token and all: shown to this client alone. */
  readonly rawUrl: string;
  state: ClientState;
  /** By the steady clock, ms. */
  lastAccessMs: number;
}

/** Whether a client is at its task, as far as is known. */
export function isAtIt({ state, lastAccessMs }: Client, steadyMs: number): boolean {
  const isNotOver = state === "WAITING" || state === "RUNNING";
  return isNotOver && lastAccessMs > steadyMs - CLIENT_ACTIVE_MS;
}

/** A node's process that may serve pieces. */
export interface Peer {
  /** `<hostName>-<ip>-<nanoseconds>`, as in v1. */
  readonly id: string;
  readonly ip: string;
  readonly hostName: string;
  readonly port: number;
  readonly version: string;
  /** ms since the epoch. */
  readonly createdMs: number;
  /** By the steady clock, ms. */
  lastAccessMs: number;
}
