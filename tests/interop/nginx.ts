import { startNginx } from "../support/nginx.ts";
import type { Scratch } from "../support/scratch.ts";

/**
 * Serves the copies of a supernode of v1, which leaves that to nginx (protocol §2). Without an nginx this
 * fails: with CDN pattern `local` v1's clients get nothing then.
 */
export async function serveRepository(
  scratch: Scratch,
  { homeDir, address, port }: { homeDir: string; address: string; port: number },
): Promise<void> {
  const directory = await scratch.directory(`nginx-${port}`);
  await startNginx(scratch, { directory, address, port, server: `root ${homeDir}/repo;` });
}
