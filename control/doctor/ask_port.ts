import type { HttpClient } from "../../runtime/http_client.ts";

/** Milliseconds for an answer. */
export const PATIENCE_MS = 3000;

/** What a port of dfdaemon's says: an answer, or that nobody listens, is silent, or speaks something else. */
export type PortAnswer =
  | { status: number; text: string }
  | "nobody listens"
  | "silent"
  | "no answer in http";

/**
 * Asks a port on which dfdaemon should be.
 *
 * @param own whether it is asked by `tls` or `secretFile`, as nodes ask one another
 */
export async function askPort(http: HttpClient, url: string, own = false): Promise<PortAnswer> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    // Nothing else is to be the first to lose patience.
    const asked = { signal, connectTimeoutMs: 2 * PATIENCE_MS, tls: { insecure: true }, own };
    const { status, text } = await http.text(url, asked, 64 * 1024);
    return { status, text };
  } catch (error) {
    if (signal.aborted) return "silent";
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    return code === "ECONNREFUSED" ? "nobody listens" : "no answer in http";
  }
}
