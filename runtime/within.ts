/** The time is measured in so many pieces. */
const PIECES = 4;

/**
 * Waits for an answer, but not for ever. What has arrived by then counts, however late this process comes to read
 * it: a busy event loop looks at its clock before it looks at its sockets. A time in which it does nothing else is
 * one piece of four at most: on Deno a question is not even sent in it.
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
    let pieces = 0;
    const wait = () => {
      if (pieces === PIECES) setImmediate(() => reject(new Error(what)));
      else timer = setTimeout(wait, ms / PIECES);
      pieces += 1;
    };
    wait();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
