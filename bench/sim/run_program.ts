import { answerParent } from "../answer_parent.ts";
import { SERVICE_TIME } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { LIMIT_SECONDS, RUNS, type RunId } from "./scenarios.ts";
import { Simulation } from "./simulation.ts";

/** What this program is asked: a run, for its outcome. */
export interface RunQuestion {
  run: RunId;
  seed: number;
}

answerParent(async (ask): Promise<Outcome> => {
  const { run, seed } = ask as RunQuestion;
  const setup = { ...RUNS[run].setup, seed, service: SERVICE_TIME };
  return new Simulation(setup).run(LIMIT_SECONDS * 1000);
});
