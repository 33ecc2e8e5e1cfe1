import {
  createCommand,
  parseCommandLine,
  runMain,
  UsageError,
} from "../../runtime/command_line.ts";
import { runBench } from "../run_bench.ts";
import { wholeNumberOption } from "../whole_number_option.ts";
import type { WireOptions } from "./measure.ts";
import { MEASURES } from "./measures.ts";

interface Flags extends Omit<WireOptions, "runtime"> {
  deno?: boolean;
  list?: boolean;
}

await runMain("wire", async () => {
  let exitCode = 0;
  const program = createCommand("wire")
    .description(
      "Measures what one node does with bytes, each time against what is best known for it.",
    )
    .argument("[name]", `one of ${Object.keys(MEASURES).join(", ")}`)
    .addOption(wholeNumberOption("--runs <n>", "runs of each side", 1, 100, 5))
    .option("--deno", "run our programs on Deno")
    .option("--cpu-prof <directory>", "write CPU profiles of our programs there (Node only)")
    .option("--svg <file>", "write the curves of growth there")
    .option("--list", "tell what there is")
    .action(async (name: string | undefined, flags: Flags) => {
      exitCode = name === undefined || flags.list ? list() : await measure(name, flags);
    });
  return (await parseCommandLine(program, process.argv.slice(2))) ?? exitCode;
});

function list(): number {
  for (const [name, { what, target }] of Object.entries(MEASURES))
    process.stdout.write(`${name.padEnd(9)}${what} (${target})\n`);
  return 0;
}

async function measure(name: string, { deno, ...flags }: Flags): Promise<number> {
  const measure = MEASURES[name];
  if (!measure) throw new UsageError(`there is no measurement "${name}"; see --list`);
  const options: WireOptions = { ...flags, runtime: deno ? "deno" : "node" };
  return runBench(name, async (context) => {
    const say = (line: string) => void process.stdout.write(`${line}\n`);
    say(`${name}: ${measure.what}; to reach: ${measure.target}`);
    const lines = await measure.run({ ...context, options, say });
    for (const line of lines) say(line);
    return 0;
  });
}
