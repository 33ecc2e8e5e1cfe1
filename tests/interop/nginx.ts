import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accepts, RunningProgram } from "../support/process.ts";
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
  const config = join(directory, "nginx.conf");
  await writeFile(
    config,
    `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${directory};
  proxy_temp_path ${directory};
  fastcgi_temp_path ${directory};
  uwsgi_temp_path ${directory};
  scgi_temp_path ${directory};
  server {
    listen ${address}:${port};
    root ${homeDir}/repo;
  }
}
`,
  );
  const nginx = RunningProgram.start(scratch, ["nginx", "-c", config]);
  await nginx.until("it listens", () => accepts(address, port));
}
