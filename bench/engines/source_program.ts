import { answerParent } from "../answer_parent.ts";
import { type RunningRegistry, startRegistry } from "../demo/registry.ts";

/** What the source's program is asked. */
export type SourceQuestion =
  | { kind: "start"; hostname: string; repositories: Record<string, string> }
  | { kind: "egress"; digest: string };

/** Where it listens, and whom to trust. */
export interface SourceStarted {
  port: number;
  caCert: string;
}

let registry: RunningRegistry | undefined;

answerParent(async (question) => {
  const ask = question as SourceQuestion;
  if (ask.kind === "egress") return registry?.egress.get(ask.digest) ?? 0;
  registry = await startRegistry(ask);
  return { port: registry.port, caCert: registry.caCert } satisfies SourceStarted;
});
