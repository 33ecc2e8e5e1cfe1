import { freePort, freshAddress } from "./addresses.ts";
import { accepts, RunningProgram } from "./process.ts";
import type { Scratch } from "./scratch.ts";

export interface RedisOptions {
  password?: string;
  /** Speaks TLS only, with this certificate. */
  tls?: { cert: string; key: string };
}

/** A Redis of the test's own, that keeps nothing on disk. */
export class Redis {
  readonly address: string;
  readonly port: number;
  /** As `state` of supernode.yml takes it. */
  readonly url: string;
  process: RunningProgram;
  readonly #start: () => Promise<RunningProgram>;

  private constructor(
    { address, port, url }: Pick<Redis, "address" | "port" | "url">,
    process: RunningProgram,
    start: () => Promise<RunningProgram>,
  ) {
    this.address = address;
    this.port = port;
    this.url = url;
    this.process = process;
    this.#start = start;
  }

  /** Starts it and waits until it listens. */
  static async start(
    scratch: Scratch,
    { password, tls }: RedisOptions = {},
    address = freshAddress(),
  ): Promise<Redis> {
    const port = await freePort(address);
    const listens = tls
      ? ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"]
      : ["--port", String(port)];
    const command = [
      "redis-server",
      ...["--bind", address, ...listens, "--save", "", "--appendonly", "no"],
      ...(tls ? ["--tls-cert-file", tls.cert, "--tls-key-file", tls.key] : []),
      ...(password ? ["--requirepass", password] : []),
    ];
    const start = async () => {
      const process = RunningProgram.start(scratch, command);
      await process.until("it listens", () => accepts(address, port));
      return process;
    };
    const user = password ? `:${password}@` : "";
    const url = `${tls ? "rediss" : "redis"}://${user}${address}:${port}`;
    return new Redis({ address, port, url }, await start(), start);
  }

  /** Starts it again after it has ended, empty. */
  async startAgain(): Promise<void> {
    this.process = await this.#start();
  }
}
