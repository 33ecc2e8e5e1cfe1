import { answerParent } from "../answer_parent.ts";
import { type RunningRegistry, startRegistry } from "../demo/registry.ts";

/** What the registry's program is asked. */
export type RegistryQuestion =
  | { kind: "start"; hostname: string; port: number; repositories: Record<string, string> }
  | { kind: "egress" };

/** Where it listens, and whom to trust. */
export type RegistryStarted = Pick<RunningRegistry, "hostname" | "port" | "url" | "caCert">;

let registry: RunningRegistry | undefined;

answerParent(async (question) => {
  const ask = question as RegistryQuestion;
  if (ask.kind === "egress") return registry?.totalEgress() ?? 0;
  const { hostname, port, repositories } = ask;
  registry = await startRegistry({ hostname, port, repositories });
  const { url, caCert } = registry;
  return { hostname, port: registry.port, url, caCert } satisfies RegistryStarted;
});
