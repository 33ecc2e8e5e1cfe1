import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../demo/loopback.ts";
import type { Program } from "../demo/program.ts";
import { run } from "./command.ts";
import type { Bench } from "./measure.ts";

export interface NginxOptions {
  address: string;
  /** Directory that it serves. */
  root: string;
  /** Default: 1. */
  workers?: number;
  /** PEM files; absent: plain HTTP. */
  tls?: { cert: string; key: string };
}

export interface RunningNginx {
  /** `http://address:port`. */
  url: string;
  port: number;
  program: Program;
}

/** Starts nginx with sendfile, as a static file server. */
export async function startNginx(bench: Bench, options: NginxOptions): Promise<RunningNginx> {
  const { address, root, workers = 1, tls } = options;
  const port = await freePort(address);
  const home = join(bench.directory, `nginx-${port}`);
  await mkdir(home, { recursive: true });
  const file = join(home, "nginx.conf");
  const certificate = tls
    ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.3;`
    : "";
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(home, name)};`,
  );
  await writeFile(
    file,
    `daemon off; pid ${join(home, "pid")}; worker_processes ${workers}; error_log stderr error;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 4096; }
http {
  ${paths.join("\n  ")}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  default_type application/octet-stream;
  server { listen ${address}:${port}${tls ? " ssl" : ""}; ${certificate} root ${root}; }
}
`,
  );
  const program = bench.programs.start({
    label: "nginx",
    command: ["nginx", "-p", home, "-e", "stderr", "-c", file],
    log: join(home, "output.log"),
  });
  const url = `${tls ? "https" : "http"}://${address}:${port}`;
  await program.ready(
    () =>
      run(["curl", "-sk", "-o", "/dev/null", url]).then(
        () => true,
        () => false,
      ),
    bench.signal,
  );
  return { url, port, program };
}
