import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MARK, type Scratch } from "./scratch.ts";

export interface StartOptions {
  /** Added to a bare environment: `PATH`, `HOME` (in the scratch) and the scratch's mark. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

export interface Exit {
  /** `null` where a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Finished extends Exit {
  stdout: Buffer;
  stderr: string;
  /** Both outputs as text, for messages. */
  output: string;
}

/** A program of the outside world or of ours, running as a child with its output collected. */
export class RunningProgram {
  readonly command: readonly string[];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  #exit: Exit | undefined;

  private constructor(command: readonly string[], child: ChildProcess) {
    this.command = command;
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => this.#stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      // Not "close": a detached grandchild may hold the pipes open for minutes.
      child.once("exit", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => {});
  }

  /** Starts a program; the scratch ends it when it closes. */
  static start(
    scratch: Scratch,
    command: readonly string[],
    options: StartOptions = {},
  ): RunningProgram {
    const child = spawn(command[0]!, command.slice(1), {
      cwd: options.cwd ?? scratch.dir,
      env: {
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        HOME: scratch.dir,
        ...options.env,
        [MARK]: scratch.dir,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const program = new RunningProgram(command, child);
    scratch.defer(() => program.stop());
    return program;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  get output(): string {
    return this.stdout.toString() + this.stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to end, insists after `graceMs`, and resolves when it has. */
  async stop(signal: NodeJS.Signals = "SIGTERM", graceMs = 10_000): Promise<Exit> {
    if (this.#exit) return this.#exit;
    this.#child.kill(signal);
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(insist);
    }
  }

  /** Resolves once the program has ended and its output is in. */
  async finished(): Promise<Finished> {
    const exit = await this.exited;
    await this.#drained();
    return { ...exit, stdout: this.stdout, stderr: this.stderr, output: this.output };
  }

  /** Resolves when `ready` says so; fails as soon as the program ends instead. */
  async until(what: string, ready: () => boolean | Promise<boolean>): Promise<void> {
    await until(`${this.command.join(" ")}: ${what}`, async () => {
      if (await ready()) return true;
      if (this.running) return false;
      await this.#drained();
      throw new Error(`${this.command.join(" ")} ended before ${what}:\n${this.output}`);
    });
  }

  /** What was written just before the end may still be in the pipe. */
  async #drained(): Promise<void> {
    const ends = [this.#child.stdout, this.#child.stderr].map((stream) =>
      !stream || stream.closed
        ? Promise.resolve()
        : new Promise<void>((resolve) => stream.once("close", () => resolve())),
    );
    // A detached grandchild that inherited the pipe would keep it open.
    await Promise.race([Promise.all(ends), sleep(500)]);
  }
}

/** Runs a program to its end. */
export function run(
  scratch: Scratch,
  command: readonly string[],
  options: StartOptions = {},
): Promise<Finished> {
  return RunningProgram.start(scratch, command, options).finished();
}

/**
 * Runs a program that must succeed.
 *
 * @throws {Error} with its output when it does not
 */
export async function runWell(
  scratch: Scratch,
  command: readonly string[],
  options: StartOptions = {},
): Promise<Finished> {
  const finished = await run(scratch, command, options);
  if (finished.code === 0) return finished;
  throw new Error(
    `${command.join(" ")} ended with ${finished.code ?? finished.signal}:\n${finished.output}`,
  );
}

/**
 * Waits until `condition` holds, looking every few milliseconds.
 *
 * @throws {Error} when it does not within `limitMs`; generous, as it only bounds a failing test
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 90_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`gave up waiting: ${what}`);
    await sleep(15);
  }
}

/** Whether somebody accepts connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
