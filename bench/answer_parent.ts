/** What the program that started this one asks, and what it is told. */
export interface Question {
  id: number;
  ask: unknown;
}
export type Answer = { id: number; result: unknown } | { id: number; error: string };

/**
 * Makes this program answer the questions of the one that started it (`Program.ask`), and end with it.
 *
 * @param handle may throw: the message is the answer then
 */
export function answerParent(handle: (ask: unknown) => Promise<unknown>): void {
  process.on("message", (question: Question) => {
    handle(question.ask).then(
      (result) => process.send?.({ id: question.id, result } satisfies Answer),
      (error: Error) => process.send?.({ id: question.id, error: error.message } satisfies Answer),
    );
  });
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => process.exit(0));
}
