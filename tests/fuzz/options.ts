import { readFlags } from "../../bench/read_flags.ts";
import { wholeNumberOption } from "../../bench/whole_number_option.ts";
import { createCommand } from "../../runtime/command_line.ts";

export interface FuzzOptions {
  /** To each port. */
  requests: number;
  seed: number;
  /** Of one port, to send to this one only. */
  only?: string;
}

/**
 * Reads the flags; a number instead of options is the exit code where help was asked for.
 *
 * @throws {UsageError} for a flag or value that is wrong
 */
export async function readOptions(args: readonly string[]): Promise<FuzzOptions | number> {
  const program = createCommand("fuzz")
    .description(
      "Starts a supernode, two dfdaemons and a dfget server on loopback, sends generated requests to each of their ports, and checks that they neither end, hang, grow, nor fail without saying why.",
    )
    .addOption(
      wholeNumberOption("--requests <n>", "requests to each port", 1, 100_000_000, 100_000),
    )
    .addOption(wholeNumberOption("--seed <n>", "what the requests are made from", 0, 2 ** 31, 1))
    .option("--only <port>", "send to this port only, by the name that it is reported by");
  return readFlags<FuzzOptions>(program, args);
}
