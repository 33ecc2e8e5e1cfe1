import type { PeerOptions } from "../../peer/mod.ts";
import type { LoadedConfig, ProxyConfig } from "../../proxy/mod.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import type { HostFiles } from "../setup/host_files.ts";
import type { SupernodeApi } from "../supernode_api.ts";
import type { PortAnswer } from "./ask_port.ts";

/** From good to bad; a program's exit code is its place here. */
export const STATES = ["ok", "warn", "fail"] as const;
export type State = (typeof STATES)[number];

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, in a word or two. */
  name: string;
  state: State;
  says: string;
  /** What to do about it. */
  todo?: string;
}

/** A node as its configuration describes it. */
export interface NodeUnderTest {
  configFile: string;
  config: ProxyConfig;
  /** As configured; where dfdaemon runs and chose the address itself, with the one that it tells others. */
  peer: PeerOptions;
  /** The port of dfdaemon's peer server where it runs and has another than configured. */
  otherPeerPort?: number | undefined;
  /** Rules and trust; absent where certificates or keys cannot be used: another check says so. */
  references: LoadedConfig | undefined;
  /** `http://127.0.0.1:65001`, or `https://…`. */
  dfdaemon: string;
  /** What it says there of its version. */
  answer: PortAnswer;
  supernodes: readonly SupernodeApi[];
  http: HttpClient;
  /** Where configurations of engines are read. */
  host: HostFiles;
  /** An image that can be pulled, as people name it. */
  image?: string | undefined;
  /** A Basic `Authorization` header for a registry (`host[:port]`) that asks for one, where this host has it. */
  credentials(host: string): Promise<string | undefined>;
}

/** Looks at one side of a node. */
export interface Check {
  name: string;
  /** Milliseconds after which it is given up. */
  patienceMs: number;
  run(node: NodeUnderTest): Promise<Finding[]>;
}

/** The worst of all. */
export function worstOf(findings: readonly Finding[]): State {
  const worst = Math.max(0, ...findings.map(({ state }) => STATES.indexOf(state)));
  return STATES[worst]!;
}
