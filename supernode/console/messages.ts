/**
 * What the supernode tells the console's page, by server-sent events: first all of it (`view`), then
 * what has changed (`change`), at most once a second. URLs are without user, password and query.
 */
export interface ConsoleView {
  supernode: SupernodeFacts;
  totals: Totals;
  /** Files being distributed, and those lately so. */
  files: Entries<FileView>;
  nodes: Entries<NodeView>;
  preheats: Entries<PreheatView>;
  problems: Entries<ProblemView>;
}

/** By their ids. */
export type Entries<Entry> = Readonly<Record<string, Entry>>;

/** Of each table what is new or different; `null` for what is gone. */
export type Change = {
  [Table in keyof ConsoleView]?: ConsoleView[Table] extends Entries<infer Entry>
    ? Entries<Entry | null>
    : ConsoleView[Table];
};

/** Data of the event `view`. */
export interface ViewMessage {
  /** The supernode's clock, ms since the epoch. */
  nowMs: number;
  view: ConsoleView;
  history: Point[];
}

/** Data of the event `change`. */
export interface ChangeMessage {
  nowMs: number;
  change: Change;
  /** New points of the history. */
  history: Point[];
}

export interface SupernodeFacts {
  version: string;
  runtime: string;
  host: string;
  /** The address that nodes know it by. */
  address: string;
  cdnPattern: "local" | "source";
  /** ms since the epoch. */
  startedMs: number;
  /** Whether it takes no new work, as an operator has asked. */
  draining: boolean;
}

/** Bytes and counts since the start, unless they say otherwise. */
export interface Totals {
  /** Bytes of files that have come to nodes. */
  delivered: number;
  /** Bytes that registries have sent, to nodes and to this supernode. */
  egress: number;
  /** Bytes that nodes have got from this supernode's own copies. */
  fromSupernode: number;
  /** Now. */
  nodes: number;
  downloading: number;
  files: number;
  /** Files and nodes that there are, but are not in the tables: the least busy ones. */
  filesLeftOut: number;
  nodesLeftOut: number;
  /** Problems since the start; the table has the last ones. */
  problems: number;
}

/** One moment of the history: ms since the epoch, then bytes since the start. */
export type Point = readonly [atMs: number, delivered: number, egress: number];

export interface FileView {
  /** `team/app`, or the last part of a URL's path. */
  name: string;
  /** The registry or web server. */
  host: string;
  /** The beginning of the digest, where the URL names one. */
  digest: string;
  url: string;
  /** Other URLs that lead to the same file. */
  moreUrls: number;
  /** Bytes, -1 while unknown. */
  length: number;
  nodes: number;
  complete: number;
  downloading: number;
  failed: number;
  /** Bytes that nodes hold, all together. */
  held: number;
  /** Bytes a second that arrive at its nodes. */
  rate: number;
  /**
   * Who has which part, a character each: `.` nobody, `~` it is being fetched from outside, `1` to `9`
   * the part of the nodes that hold it, in ninths, rounded up. Empty while the length is unknown.
   */
  map: string;
  /** The part that the supernode's own copy has, 0 to 1; absent: there is none. */
  seeded?: number;
  /** Why there is no copy, where one was to be made. */
  seedFailed?: boolean;
  createdMs: number;
  lastMs: number;
}

export type NodeState = "idle" | "downloading" | "slow" | "silent" | "failing";

export interface NodeView {
  host: string;
  ip: string;
  port: number;
  version: string;
  state: NodeState;
  /** What is meant by the state, where it is not a good one. */
  why: string;
  /** Bytes a second. */
  downRate: number;
  upRate: number;
  /** Files it downloads, and files it has whole. */
  downloading: number;
  complete: number;
  /** When it was last heard of, ms since the epoch, to the second. */
  seenMs: number;
}

export interface PreheatView {
  type: "image" | "file";
  /** As a person would name it: `registry.example/team/app:1.2`. */
  name: string;
  status: "WAITING" | "RUNNING" | "SUCCESS" | "FAILED";
  /** Files that are here, and those there are; 0 until they are known. */
  filesDone: number;
  files: number;
  /** Bytes that are here, and those there are as far as they are known. */
  bytesDone: number;
  bytes: number;
  startMs: number;
  /** 0: not yet. */
  finishMs: number;
  error: string;
}

export interface ProblemView {
  kind: string;
  node: string;
  text: string;
  /** How often, and when last. */
  count: number;
  atMs: number;
}

/** Body of POST /console/preheats. */
export interface PreheatOrder {
  type: "image" | "file";
  url: string;
  /** `os/architecture[/variant]`; absent: all. */
  platform?: string;
  headers?: Record<string, string>;
}
