import { answerParent } from "../answer_parent.ts";
import type { LatencySummary } from "./latencies.ts";
import { SwarmNodes, type SwarmNodesOptions } from "./swarm_nodes.ts";
import { runV1Clients, type V1ClientsOptions, type V1Latencies } from "./v1_clients.ts";

/** What the load's program is asked. */
export type LoadQuestion =
  | { kind: "register"; nodes: SwarmNodesOptions; count: number }
  | { kind: "registerAtOnce"; count: number; withinMs: number }
  | { kind: "beats" }
  | { kind: "leave" }
  | { kind: "v1"; count: number; clients: V1ClientsOptions };

/** What it answers. */
export type LoadAnswer = LatencySummary | V1Latencies | null;

let nodes: SwarmNodes | undefined;

answerParent(async (question): Promise<LoadAnswer> => {
  const ask = question as LoadQuestion;
  switch (ask.kind) {
    case "register":
      nodes ??= new SwarmNodes(ask.nodes);
      return nodes.register(ask.count);
    case "registerAtOnce":
      return nodes!.registerAtOnce(ask.count, ask.withinMs);
    case "beats":
      return nodes!.beats();
    case "leave":
      nodes!.close();
      return null;
    case "v1":
      return runV1Clients(ask.count, ask.clients);
  }
});
