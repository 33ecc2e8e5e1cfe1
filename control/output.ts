import type { SupernodeApi } from "./supernode_api.ts";

/** How answers are shown. */
export interface OutputFlags {
  json?: boolean;
}

/** Prints a line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints what other programs read. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, undefined, 2));
}

/**
 * Characters of a line of the terminal that shows the output; absent where it is none, and where it does not say: one
 * that a program made (`docker exec -t`, `script`) often says 0.
 */
export function outputWidth(): number | undefined {
  return process.stdout.columns || undefined;
}

/** What one supernode answered, or why it did not. */
export interface Answered<Value> {
  supernode: SupernodeApi;
  value: Value;
}

/**
 * Asks all supernodes at once. Those that do not answer are named on standard error.
 *
 * @throws the first one's error where none answers
 */
export async function askAll<Value>(
  supernodes: readonly SupernodeApi[],
  ask: (supernode: SupernodeApi) => Promise<Value>,
): Promise<Answered<Value>[]> {
  const results = await Promise.allSettled(supernodes.map((supernode) => ask(supernode)));
  const answers: Answered<Value>[] = [];
  const errors: Error[] = [];
  for (const [index, result] of results.entries()) {
    if (result.status === "fulfilled")
      answers.push({ supernode: supernodes[index]!, value: result.value });
    else errors.push(result.reason as Error);
  }
  if (answers.length === 0) throw errors[0];
  for (const error of errors) process.stderr.write(`dfctl: ${error.message}\n`);
  return answers;
}
