/** Where this process may open no connection more it tries again after so long, ms. */
export const CROWDED_MS = 50;

/** Whether this process, or machine, has no descriptor left for a connection. */
export function isCrowded(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}
