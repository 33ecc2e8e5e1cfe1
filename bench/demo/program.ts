import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deno } from "../../runtime/deno.ts";
import type { Answer, Question } from "../answer_parent.ts";

/** A program did not start, or ended before its time; the message has the end of what it printed. */
export class ProgramError extends Error {
  override name = "ProgramError";
}

/** How long a program may take from SIGTERM to its end, ms; a little over what they promise. */
const GRACE_MS = 6000;
/** How long a program may take until it answers, ms: many start at once. */
const START_MS = 60_000;

const SOURCES = { supernode: "supernode/main.ts", dfdaemon: "proxy/main.ts" } as const;

/**
 * How to start one of our programs with the runtime that runs this one: the bundle beside the
 * bundled demo, else the source on Deno, which can run it, else the bundle in `dist`.
 */
export function programCommand(name: keyof typeof SOURCES): string[] {
  const here = fileURLToPath(import.meta.url);
  const bundled = here.endsWith(".js");
  const byDeno = deno ? ["run", "--allow-all", "--quiet"] : undefined;
  if (bundled) return [process.execPath, ...(byDeno ?? []), join(dirname(here), `${name}.js`)];
  const root = join(dirname(here), "..", "..");
  if (!byDeno) return [process.execPath, join(root, "dist", `${name}.js`)];
  const config = ["--config", join(root, "deno.json")];
  return [process.execPath, ...byDeno, ...config, join(root, SOURCES[name])];
}

/** All child processes of this one: they end together. */
export class Programs {
  readonly #all: Program[] = [];
  #ending = false;

  /** @throws {Error} when they are being ended already */
  start(options: ProgramOptions): Program {
    if (this.#ending) throw new Error(`${options.label} was not started: the demo is ending`);
    const program = new Program(options);
    this.#all.push(program);
    return program;
  }

  /** Rejects as soon as one of those started so far ends by itself; never resolves. */
  watch(): Promise<never> {
    return new Promise((_, reject) => {
      for (const program of this.#all) {
        void program.ended.then(async (reason) => {
          if (!this.#ending) reject(await program.failure(`${reason} in the middle of the demo`));
        });
      }
    });
  }

  /** Ends them, and resolves when the last has ended. */
  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.#all.map((program) => program.stop()));
  }

  /** Ends them at once, without waiting. */
  kill(): void {
    this.#ending = true;
    for (const program of this.#all) program.kill();
  }
}

export interface ProgramOptions {
  /** What people call it: `node 3`. */
  label: string;
  command: readonly string[];
  /** File that takes what it prints. */
  log: string;
  /** It is one of ours that answers questions: see {@link Program.ask}. */
  answers?: boolean;
}

/** One child process. */
export class Program {
  readonly label: string;
  readonly pid: number;
  /** Resolves with a reason when it has ended. */
  readonly ended: Promise<string>;
  readonly #log: string;
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, (answer: Answer) => void>();
  #running = true;
  #lastQuestion = 0;

  constructor({ label, command, log, answers }: ProgramOptions) {
    this.label = label;
    this.#log = log;
    const output = openSync(log, "a");
    this.#child = spawn(command[0]!, command.slice(1), {
      stdio: ["ignore", output, output, ...(answers ? ["ipc" as const] : [])],
      env: environment(),
      // In a group of its own: a ctrl-C is for us, and we end our programs in good order.
      detached: true,
    });
    closeSync(output);
    this.pid = this.#child.pid ?? -1;
    this.ended = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#running = false;
        resolve(reason);
      };
      this.#child.once("error", (error) => end(`could not be started: ${error.message}`));
      this.#child.once("exit", (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    });
    this.#child.on("message", (answer: Answer) => {
      this.#asked.get(answer.id)?.(answer);
      this.#asked.delete(answer.id);
    });
  }

  /**
   * Asks a program that uses `answerParent`.
   *
   * @throws {ProgramError} with what it says went wrong, or when it ends instead
   */
  async ask<Result>(ask: unknown): Promise<Result> {
    const id = ++this.#lastQuestion;
    const answered = new Promise<Answer>((resolve) => this.#asked.set(id, resolve));
    this.#child.send?.({ id, ask } satisfies Question);
    const answer = await Promise.race([answered, this.ended]);
    if (typeof answer === "string") throw await this.failure(answer);
    if ("error" in answer) throw await this.failure(answer.error);
    return answer.result as Result;
  }

  /**
   * Resolves when `ready` says so, asked again and again.
   *
   * @throws {ProgramError} when the program ends instead, or takes too long
   */
  async ready(ready: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + START_MS;
    while (!(await ready())) {
      signal.throwIfAborted();
      if (!this.#running) throw await this.failure(await this.ended);
      if (performance.now() > deadline) throw await this.failure("does not answer");
      await sleep(25);
    }
  }

  /** An error that says what happened, and the last lines the program printed. */
  async failure(reason: string): Promise<ProgramError> {
    const lines = (await readFile(this.#log, "utf8").catch(() => "")).trimEnd().split("\n");
    const tail = lines.slice(-12).map((line) => `    ${line}`);
    const printed = lines.join("") === "" ? ["    (it printed nothing)"] : tail;
    return new ProgramError([`${this.label}: ${reason}`, ...printed].join("\n"));
  }

  /** Asks it to end, insists where that takes too long, and resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.kill(), GRACE_MS);
    await this.ended;
    clearTimeout(insist);
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#running) this.#child.kill("SIGKILL");
  }
}

/** Ours, without the variables by which a user may have configured real programs on this machine. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SUPERNODE|DFDAEMON)_/.test(name)),
  );
}
