import { stat } from "node:fs/promises";

/** Milliseconds between two looks at the files. */
const LOOK_MS = 3000;

export interface WatchedFiles {
  /** Stops looking. */
  close(): void;
}

/**
 * Calls `onChange` whenever one of these files has become another. It looks at them rather than waits to be
 * told: that works with files that are replaced, behind symbolic links that are moved, and on any file
 * system. A change counts once it has stayed for one look, so that a certificate and its key that are
 * written one after the other are taken together.
 *
 * @param paths asked for at each look, since what is watched may change
 * @param onChange must not reject
 * @param lookMs milliseconds between two looks; default 3000
 */
export function watchFiles(
  paths: () => readonly string[],
  onChange: () => Promise<void>,
  lookMs = LOOK_MS,
): WatchedFiles {
  let timer: NodeJS.Timeout;
  let closed = false;
  let known: string | undefined;
  let last: string | undefined;
  const look = async () => {
    const now = await fingerprint(paths());
    known ??= now;
    if (now !== known && now === last) {
      known = now;
      await onChange();
    }
    last = now;
    if (!closed) timer = setTimeout(look, lookMs).unref();
  };
  void look();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function fingerprint(paths: readonly string[]): Promise<string> {
  const files = paths.map((path) =>
    stat(path).then(
      ({ dev, ino, size, mtimeMs, ctimeMs }) => [path, dev, ino, size, mtimeMs, ctimeMs].join(":"),
      (error: NodeJS.ErrnoException) => `${path}:${error.code}`,
    ),
  );
  return (await Promise.all(files)).join("\n");
}
