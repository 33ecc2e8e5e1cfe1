import { transcriptText } from "../conformance/transcript.ts";

/** A flag as the help of one of v1's programs lists it. */
export interface HelpFlag {
  name: string;
  /** One letter. */
  short: string | undefined;
  /** Whether it stands alone. */
  isSwitch: boolean;
  /** As printed, without quotes; absent where the help names none. */
  default: string | undefined;
}

/** What a Go program of v1.0.6 said to `--help`. */
export interface ProgramHelp {
  flags: HelpFlag[];
  commands: string[];
}

/** Reads the recorded help of a program. */
export function v1Help(program: "supernode" | "dfget" | "dfdaemon"): ProgramHelp {
  const text = transcriptText("help.txt").split(`=== ${program}\n`)[1]!.split(/^=== /m)[0]!;
  const commands = /^Available Commands:\n((?: {2}.*\n)+)/m.exec(text)![1]!;
  const flags = /^Flags:\n((?: {2,}.*\n)+)/m.exec(text)![1]!;
  return {
    commands: [...commands.matchAll(/^ {2}([\w-]+)/gm)].map(([, name]) => name!),
    flags: [...flags.matchAll(/^ {2}(?:-(\w), | {4})--([\w-]+)(?: (\w+))? {2,}(.*)$/gm)].map(
      ([, short, name, type, help]) => ({
        name: name!,
        short,
        isSwitch: type === undefined,
        default: /\(default "?(.*?)"?\)$/.exec(help!)?.[1],
      }),
    ),
  };
}
