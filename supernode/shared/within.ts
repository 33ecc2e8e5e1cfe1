/**
 * Waits for an answer, but not for ever. What has arrived by then counts, however late this process comes to read
 * it: a busy event loop looks at its clock before it looks at its sockets.
 *
 * @param ms milliseconds
 * @param what the message of the error
 * @throws {Error} when the time is over
 */
export async function within<Result>(
  ms: number,
  what: string,
  work: Promise<Result>,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new Error(what))), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
