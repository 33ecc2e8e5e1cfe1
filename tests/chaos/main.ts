import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { runMain } from "../../runtime/command_line.ts";
import { openHosts } from "./host_network.ts";
import { readOptions } from "./options.ts";

/** Makes the network, and runs the schedules from a host of it. */
async function main(): Promise<number> {
  const options = await readOptions(process.argv.slice(2));
  if (typeof options === "number") return options;
  const { hosts, network } = await openHosts(`chaos${process.pid}`);
  process.on("exit", () => network.close());
  const [command, ...prefix] = hosts.onlooker.prefix;
  const runner = spawn(
    command!,
    [
      ...prefix,
      process.execPath,
      join(import.meta.filename, "..", "runner_program.js"),
      JSON.stringify(hosts),
      JSON.stringify(options),
    ],
    { stdio: "inherit", detached: true },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => runner.kill(signal));
  }
  const [code] = (await once(runner, "exit")) as [number | null];
  return code ?? 1;
}

await runMain("chaos", main);
