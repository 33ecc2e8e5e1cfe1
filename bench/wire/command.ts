import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Sample } from "./measure.ts";

/** What a command has taken. */
export interface Took {
  seconds: number;
  /** Processor time of it and of the processes that it waited for, s; 0 where others ran beside it. */
  cpuSeconds: number;
  stdout: string;
}

export interface CommandOptions {
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * Runs a command to its end.
 *
 * @throws {Error} with what it said, where it fails
 */
export async function run(
  command: readonly string[],
  { env = {}, signal }: CommandOptions = {},
): Promise<Took> {
  const cpuBefore = childrenCpu();
  const startMs = performance.now();
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    ...(signal ? { signal } : {}),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  // Not until its output is closed: what it has left running may hold that open.
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  const seconds = (performance.now() - startMs) / 1000;
  if (code !== 0) {
    const said = (stderr || stdout).trimEnd().split("\n").slice(-8).join("\n");
    throw new Error(`${command.slice(0, 4).join(" ")} … ended with code ${code}:\n${said}`);
  }
  return { seconds, cpuSeconds: childrenCpu() - cpuBefore, stdout };
}

/** Runs commands at once; the seconds are those of the last one to end. */
export async function runAll(
  commands: readonly (readonly string[])[],
  options: (index: number) => CommandOptions = () => ({}),
): Promise<Took> {
  const cpuBefore = childrenCpu();
  const took = await Promise.all(commands.map((command, index) => run(command, options(index))));
  return {
    seconds: Math.max(...took.map(({ seconds }) => seconds)),
    cpuSeconds: childrenCpu() - cpuBefore,
    stdout: "",
  };
}

/** A command of the shell. */
export function shell(script: string, ...args: string[]): string[] {
  return ["bash", "-ec", script, "bash", ...args];
}

/** As a run of one side. */
export function sample({ seconds, cpuSeconds }: Took, notes: Record<string, string> = {}): Sample {
  return { value: seconds, notes: { cpu: `${cpuSeconds.toFixed(2)} s`, ...notes } };
}

/** Processor time of all our children that have ended, s (proc(5): cutime and cstime). */
function childrenCpu(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
