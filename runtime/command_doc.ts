import { type Command, InvalidArgumentError } from "commander";
import { createCommand } from "./command_line.ts";

/**
 * The `gen-doc` sub-command of v1's programs: writes `<program>.md`, all flags in it; with `--man 8`
 * the man page `<program>.8`.
 */
export function createDocCommand(program: Command): Command {
  return createCommand("gen-doc")
    .description(`write a page on the command line of ${program.name()}, in Markdown`)
    .option("-p, --path <directory>", "where to put it", "/tmp")
    .option("--man <section>", "write a man page instead, of this section", manSection)
    .action(async ({ path, man }: { path: string; man?: number }) => {
      // Needed here alone: Deno takes 10 ms to have its files ready, at each start.
      const { writeCommandReference } = await import("./command_reference.ts");
      process.stdout.write(`${await writeCommandReference(program, path, man)}\n`);
    });
}

function manSection(text: string): number {
  if (/^[1-9]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a section of the manual, 1 to 9");
}
