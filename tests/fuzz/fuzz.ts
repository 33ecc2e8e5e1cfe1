import type { Scratch } from "../support/scratch.ts";
import type { FuzzOptions } from "./options.ts";
import { type Outcome, runTarget } from "./run_target.ts";
import { startSite } from "./site.ts";
import { openTargets } from "./targets.ts";

/**
 * Starts all programs that listen, and sends generated requests to each port in turn.
 *
 * @param onOutcome told of each port when it is through
 * @throws {Error} where no port is called {@link FuzzOptions.only}
 */
export async function fuzz(
  scratch: Scratch,
  options: FuzzOptions,
  onOutcome: (outcome: Outcome) => void = () => {},
): Promise<Outcome[]> {
  const site = await startSite(scratch);
  const outcomes: Outcome[] = [];
  const targets = await openTargets(site);
  const chosen = targets.filter(({ name }) => name === (options.only ?? name));
  if (chosen.length === 0)
    throw new Error(
      `no port is called "${options.only}"; there are: ${targets.map(({ name }) => name).join(", ")}`,
    );
  // A file that peers hand out must be there before its name can be guessed.
  for (const target of targets) await target.check();
  for (const target of chosen) {
    const outcome = await runTarget(target, options);
    if (site.origin.smuggled > 0)
      outcome.problems.push(`${site.origin.smuggled} requests hidden in others reached the origin`);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
}
