import { pieceContent } from "../../protocol/piece_range.ts";
import { blockBytes } from "../../protocol/swarm/blocks.ts";
import type { PreheatJob } from "../preheat/preheat.ts";
import { readPieces } from "../swarm/read_pieces.ts";
import type { MemberState } from "../swarm/swarm_state.ts";
import { latestOfEachNode } from "../tasks/latest_of_each_node.ts";
import { type Clocks, shownTime } from "../tasks/shown_time.ts";
import {
  CLIENT_ACTIVE_MS,
  type Client,
  copiedBytes,
  hasFailed,
  type Peer,
  piecesOfRun,
  type Task,
  taskLayout,
  taskPieceCount,
} from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";
import { MeasuredRates } from "./measured_rates.ts";
import type { ConsoleView, FileView, NodeView, PreheatView, SupernodeFacts } from "./messages.ts";
import { PieceMap } from "./piece_map.ts";
import { preheatView } from "./preheat_view.ts";
import type { Recorder } from "./recorder.ts";
import { fileName, shownUrl } from "./shown_url.ts";
import { SlowNodes } from "./slow_nodes.ts";

/** Rows that the page gets of each table; the least busy ones are left out. */
export const MOST_FILES = 200;
export const MOST_NODES = 500;
export const MOST_PREHEATS = 50;

/** A node's word on its rate holds so long, ms: three heartbeats of a busy one. */
const RATE_HOLDS_MS = 9000;
/** A node that downloads and is not heard of for so long is silent, ms. */
const SILENT_MS = 10_000;
/** A node of which something bad was said lately is failing, ms. */
const FAILING_MS = 60_000;

/** What v1's schedule knows of a client. */
export interface Holdings {
  has: Iterable<number>;
  /** Pieces that it fetches from outside. */
  fetches: readonly number[];
}

/** Where the view is read from. */
export interface ViewSources {
  facts: Omit<SupernodeFacts, "draining">;
  isDraining(): boolean;
  store: Pick<TaskStore, "tasks" | "task" | "peers" | "clientsOfTask">;
  recorder: Pick<Recorder, "totals" | "problems">;
  preheats(): PreheatJob[];
  /** A member of a swarm; `undefined` for a v1 client. */
  member(taskId: string, cid: string): MemberState | undefined;
  holdings(taskId: string, cid: string): Holdings | undefined;
  /** The same for all tasks that lead to the same file. */
  fileOf(task: Task): string;
  /** ms since the epoch. */
  now(): number;
  /** A clock that nobody sets, ms. */
  steadyNow(): number;
}

/** A node while it is being counted up. */
interface NodeSum extends Pick<NodeView, "downRate" | "upRate" | "downloading" | "complete"> {
  readonly peer: Peer;
  slow: boolean;
}

/** A download of a file by a node. */
interface Download {
  state: "complete" | "downloading" | "failed" | "gone";
  heldBytes: number;
  /** Bytes a second. */
  rate: number;
  upRate: number;
}

/** Makes what the page shows, for all who look, from what the supernode has in memory. */
export class ViewBuilder {
  readonly #sources: ViewSources;
  readonly #slow = new SlowNodes();
  readonly #rates = new MeasuredRates();

  constructor(sources: ViewSources) {
    this.#sources = sources;
  }

  build(): ConsoleView {
    const { store, facts, recorder, now, steadyNow } = this.#sources;
    const clocks = { steadyMs: steadyNow(), wallMs: now() };
    const nodes = new Map<string, NodeSum>();
    for (const peer of store.peers())
      nodes.set(peer.id, {
        ...{ peer, downRate: 0, upRate: 0, downloading: 0, complete: 0, slow: false },
      });
    const groups = new Map<string, Task[]>();
    for (const task of store.tasks()) {
      const key = this.#sources.fileOf(task);
      const tasks = groups.get(key);
      if (tasks) tasks.push(task);
      else groups.set(key, [task]);
    }
    const files = [...groups.values()].map(
      (tasks) => [tasks[0]!.id, this.#file(tasks, nodes, clocks)] as const,
    );
    this.#slow.forgetOthers();
    this.#rates.forgetOthers();
    const bad = this.#badNodes(clocks.wallMs);
    const shownNodes = [...nodes.values()].map(
      (sum) => [sum.peer.id, nodeView(sum, bad, clocks)] as const,
    );
    files.sort(([, a], [, b]) => b.downloading - a.downloading || b.lastMs - a.lastMs);
    shownNodes.sort(([, a], [, b]) => concern(b) - concern(a) || b.downRate - a.downRate);
    const downloading = files.reduce((sum, [, file]) => sum + file.downloading, 0);
    return {
      supernode: { ...facts, draining: this.#sources.isDraining() },
      totals: {
        ...recorder.totals,
        nodes: shownNodes.length,
        downloading,
        files: files.length,
        filesLeftOut: Math.max(0, files.length - MOST_FILES),
        nodesLeftOut: Math.max(0, shownNodes.length - MOST_NODES),
      },
      files: Object.fromEntries(files.slice(0, MOST_FILES)),
      nodes: Object.fromEntries(shownNodes.slice(0, MOST_NODES)),
      preheats: this.#preheats(),
      problems: Object.fromEntries(recorder.problems),
    };
  }

  #file(tasks: readonly Task[], nodes: Map<string, NodeSum>, clocks: Clocks): FileView {
    const first = tasks[0]!;
    const copy = tasks.find(({ cdnStatus }) => cdnStatus === "SUCCESS" || cdnStatus === "RUNNING");
    const pieces = taskPieceCount(first) ?? 0;
    const map = new PieceMap(pieces);
    const counts = { complete: 0, downloading: 0, failed: 0 };
    let held = 0;
    let rate = 0;
    const rates: { id: string; node: NodeSum | undefined; rate: number }[] = [];
    const byId = new Map(tasks.map((task) => [task.id, task]));
    const clients = tasks.flatMap(({ id }) => [...this.#sources.store.clientsOfTask(id)]);
    for (const client of latestOfEachNode(clients)) {
      const download = this.#download(byId.get(client.taskId)!, client, map, clocks.steadyMs);
      if (download.state === "gone") continue;
      counts[download.state] += 1;
      held += download.heldBytes;
      const node = nodes.get(client.peerId);
      if (node) node.upRate += download.upRate;
      if (node && download.state === "complete") node.complete += 1;
      if (download.state !== "downloading") continue;
      if (node) node.downloading += 1;
      rate += download.rate;
      if (node) node.downRate += download.rate;
      rates.push({ id: `${client.taskId} ${client.cid}`, node, rate: download.rate });
    }
    for (const { node } of this.#slow.among(rates, clocks.steadyMs)) if (node) node.slow = true;
    return {
      ...fileName(first.taskUrl),
      url: shownUrl(first.taskUrl),
      moreUrls: tasks.length - 1,
      length: first.length,
      nodes: counts.complete + counts.downloading + counts.failed,
      ...counts,
      held,
      rate,
      map: map.toString(),
      ...(copy && copy.length > 0 ? { seeded: copiedBytes(copy) / copy.length } : {}),
      ...(!copy && tasks.some(hasFailed) ? { seedFailed: true } : {}),
      createdMs: Math.min(...tasks.map(({ createdMs }) => createdMs)),
      lastMs: shownSecond(Math.max(...tasks.map(({ lastAccessMs }) => lastAccessMs)), clocks),
    };
  }

  /** How a download is; what it holds goes into the map. */
  #download(task: Task, client: Client, map: PieceMap, steadyMs: number): Download {
    const { member, holdings } = this.#sources;
    const silentMs = steadyMs - client.lastAccessMs;
    const known = member(task.id, client.cid);
    const upRate = known && silentMs < RATE_HOLDS_MS ? known.upRate : 0;
    const isComplete = client.state === "SUCCESS" || (known && known.held >= known.blocks);
    if (isComplete) {
      map.node("all");
      return { state: "complete", heldBytes: Math.max(0, task.length), rate: 0, upRate };
    }
    if (client.state === "FAILED") return { state: "failed", heldBytes: 0, rate: 0, upRate: 0 };
    // A member that is silent is let go of; a v1 client that stopped says nothing.
    if (!known && silentMs > CLIENT_ACTIVE_MS)
      return { state: "gone", heldBytes: 0, rate: 0, upRate: 0 };
    if (known) {
      map.node(known.pieces ? readPieces(known.pieces, taskPieceCount(task) ?? 0) : []);
      for (const piece of known.fetches.flatMap((run) => piecesOfRun(task, run))) map.coming(piece);
      const rate = silentMs < RATE_HOLDS_MS ? known.downRate : 0;
      const heldBytes = known.held * blockBytes(task.length);
      return { state: "downloading", heldBytes, rate, upRate };
    }
    const v1 = holdings(task.id, client.cid);
    const has = [...(v1?.has ?? [])];
    map.node(has);
    for (const piece of v1?.fetches ?? []) map.coming(piece);
    const layout = taskLayout(task);
    const heldBytes = has.reduce((sum, piece) => sum + pieceContent(piece, layout).length, 0);
    const rate = Math.round(this.#rates.of(`${task.id} ${client.cid}`, heldBytes, steadyMs));
    return { state: "downloading", heldBytes, rate, upRate: 0 };
  }

  /** What was said of nodes lately, by their addresses. */
  #badNodes(nowMs: number): Map<string, string> {
    const bad = new Map<string, string>();
    for (const { kind, node, text, atMs } of this.#sources.recorder.problems.values()) {
      if (node !== "" && kind !== "refused" && nowMs - atMs < FAILING_MS) bad.set(node, text);
    }
    return bad;
  }

  #preheats(): Record<string, PreheatView> {
    const { preheats, store } = this.#sources;
    const jobs = new Map(preheats().map((job) => [job.id, job]));
    const tops = [...jobs.values()].filter(({ parentId }) => parentId === "");
    const latest = tops.sort((a, b) => b.startMs - a.startMs).slice(0, MOST_PREHEATS);
    return Object.fromEntries(
      latest.map((job) => {
        const children = job.children.flatMap((id) => jobs.get(id) ?? []);
        const files = job.type === "file" ? [job] : children;
        return [job.id, preheatView(job, files, (id) => store.task(id))];
      }),
    );
  }
}

function nodeView(sum: NodeSum, bad: ReadonlyMap<string, string>, clocks: Clocks): NodeView {
  const { peer, slow, ...counts } = sum;
  const { hostName, ip, port, version, lastAccessMs } = peer;
  const complaint = bad.get(`${ip}:${port}`) ?? bad.get(ip);
  const isSilent = counts.downloading > 0 && clocks.steadyMs - lastAccessMs > SILENT_MS;
  const [state, why] =
    complaint !== undefined
      ? (["failing", complaint] as const)
      : isSilent
        ? (["silent", "it downloads, and is not heard of"] as const)
        : slow
          ? (["slow", "less than a quarter of the usual rate"] as const)
          : ([counts.downloading > 0 ? "downloading" : "idle", ""] as const);
  const seenMs = shownSecond(lastAccessMs, clocks);
  return { host: hostName, ip, port, version, state, why, ...counts, seenMs };
}

/** Who should be seen first. */
function concern({ state }: NodeView): number {
  return ["idle", "downloading", "slow", "silent", "failing"].indexOf(state);
}

/** So that a row is not another one each time, for a clock alone. */
function shownSecond(steadyMs: number, clocks: Clocks): number {
  return Math.floor(shownTime(steadyMs, clocks) / 1000) * 1000;
}
