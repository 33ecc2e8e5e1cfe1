import type { Check, Finding, NodeUnderTest } from "./check.ts";

/**
 * Runs all checks at once, each within its own time, and hands on what they find in their order. A check that
 * breaks is a finding, too: the others go on.
 */
export async function* runChecks(
  checks: readonly Check[],
  node: NodeUnderTest,
): AsyncGenerator<Finding> {
  const running = checks.map((check) => within(check, node));
  for (const findings of running) yield* await findings;
}

async function within(check: Check, node: NodeUnderTest): Promise<Finding[]> {
  const { name, patienceMs } = check;
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(() => {
      resolve([{ name, state: "warn", says: `given up after ${patienceMs / 1000} s` }]);
    }, patienceMs);
  });
  try {
    return await Promise.race([check.run(node), tooLong]);
  } catch (error) {
    return [{ name, ...couldNotSee(error as Error) }];
  } finally {
    clearTimeout(timer);
  }
}

/** What is not to be seen is no fault of the node. */
export function couldNotSee(error: Error): Omit<Finding, "name"> {
  const { code } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES" || code === "EPERM" || /permi/.test(error.message);
  return denied
    ? { state: "warn", says: `not to be seen: ${error.message}`, todo: "run this as root" }
    : { state: "warn", says: `could not be looked at: ${error.message}` };
}
