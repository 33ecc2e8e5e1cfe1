import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accepts, RunningProgram } from "./process.ts";
import type { Scratch } from "./scratch.ts";

export interface NginxOptions {
  /** For its files. */
  directory: string;
  address: string;
  port: number;
  /** Serves by TLS with this. */
  certificate?: { cert: string; key: string };
  /** What else is in its `server` block. */
  server: string;
}

/** Starts an nginx with one server, and waits until it listens. */
export async function startNginx(scratch: Scratch, options: NginxOptions): Promise<void> {
  const { directory, address, port, certificate, server } = options;
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
    listen ${address}:${port}${certificate ? " ssl" : ""};
    ${certificate ? `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};` : ""}
    ${server}
  }
}
`,
  );
  const nginx = RunningProgram.start(scratch, ["nginx", "-c", config]);
  await nginx.until("it listens", () => accepts(address, port));
}

/** Basic auth before a registry that asks nobody who he is, as many sites have it. */
export function basicAuth(htpasswd: string, behind: string): string {
  return `
    client_max_body_size 0;
    location / {
      auth_basic "test";
      auth_basic_user_file ${htpasswd};
      proxy_pass http://${behind};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off;
      proxy_buffering off;
    }`;
}
