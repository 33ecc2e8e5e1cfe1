import type { Command } from "commander";
import { createCommand, UsageError } from "./command_line.ts";

/** A word that a shell may offer, and what it stands for. */
interface Word {
  text: string;
  help: string;
  /** Whether another word must follow it. */
  takesValue: boolean;
}

/** The shells for which there is a script, as for v1's programs. */
const SCRIPTS = {
  bash: bashScript,
  fish: fishScript,
  powershell: powershellScript,
  zsh: zshScript,
};
type Shell = keyof typeof SCRIPTS;

/** The `completion` sub-command of v1's programs: prints a script that completes commands and flags. */
export function createCompletionCommand(program: Command): Command {
  return createCommand("completion")
    .description("print a script by which a shell completes commands and flags")
    .argument("<shell>", Object.keys(SCRIPTS).join(", "))
    .option("--no-descriptions", "leave out what each word stands for")
    .addHelpText("after", `\nFor bash: source <(${program.name()} completion bash)`)
    .action((shell: string, { descriptions }: { descriptions: boolean }) => {
      if (!Object.hasOwn(SCRIPTS, shell)) {
        const known = Object.keys(SCRIPTS).join(", ");
        throw new UsageError(`no completion script for "${shell}": there is one for ${known}`);
      }
      process.stdout.write(
        SCRIPTS[shell as Shell](program.name(), wordsByCommand(program, descriptions)),
      );
    });
}

/** Words by the sub-command they may follow; `""` is the program itself. */
type Words = ReadonlyMap<string, readonly Word[]>;

function wordsByCommand(program: Command, described: boolean): Words {
  const words = describedWords(program);
  if (described) return words;
  return new Map(
    [...words].map(([command, all]) => [command, all.map((word) => ({ ...word, help: "" }))]),
  );
}

function describedWords(program: Command): Words {
  const flags = (command: Command): Word[] => [
    ...command.options.map((option) => ({
      text: option.long!,
      help: option.description,
      takesValue: option.required,
    })),
    { text: "--help", help: "show the help", takesValue: false },
  ];
  const names = (command: Command): Word[] =>
    command.commands.map((sub) => ({
      text: sub.name(),
      help: sub.description(),
      takesValue: false,
    }));
  const help: Word = { text: "help", help: "show the help of a command", takesValue: false };
  return new Map<string, Word[]>([
    ["", [...names(program), help, ...flags(program)]],
    ["help", names(program)],
    ...program.commands.map((command): [string, Word[]] => [
      command.name(),
      [...names(command), ...flags(command)],
    ]),
  ]);
}

function bashScript(name: string, offers: Words): string {
  const cases = [...offers]
    .filter(([command]) => command !== "")
    .map(([command, words]) => `      ${command}) words="${list(words)}"; break ;;`);
  return `# Completion of ${name} for bash.
_${name}() {
  local word words="${list(offers.get("")!)}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
${cases.join("\n")}
    esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function zshScript(name: string, offers: Words): string {
  const entries = (words: readonly Word[]) =>
    words.map(({ text, help }) => `    ${quote(help ? `${text}:${help}` : text)}`).join("\n");
  const cases = [...offers]
    .filter(([command]) => command !== "")
    .map(([command, words]) => `    ${command}) offers=(\n${entries(words)}\n    ); break ;;`);
  return `#compdef ${name}
# Completion of ${name} for zsh.
_${name}() {
  local word
  local -a offers
  offers=(
${entries(offers.get("")!)}
  )
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
${cases.join("\n")}
    esac
  done
  _describe -V ${name} offers || _files
}
compdef _${name} ${name}
`;
}

function fishScript(name: string, offers: Words): string {
  const commands = list(
    [...offers.keys()]
      .filter((command) => command !== "" && command !== "help")
      .map((text) => ({ text })),
  );
  const lines = [...offers].flatMap(([command, words]) => {
    const when = command
      ? `__fish_seen_subcommand_from ${command}`
      : `not __fish_seen_subcommand_from ${commands}`;
    return words.map(({ text, help, takesValue }) => {
      const what = text.startsWith("--")
        ? `-l ${text.slice(2)}${takesValue ? " -r" : ""}`
        : `-f -a ${text}`;
      return `complete -c ${name} -n ${quote(when)} ${what}${help ? ` -d ${quote(help)}` : ""}`;
    });
  });
  return `# Completion of ${name} for fish.\n${lines.join("\n")}\n`;
}

function powershellScript(name: string, offers: Words): string {
  const cases = [...offers].map(([command, words]) => {
    const entries = words.map(
      ({ text, help }) =>
        `      [pscustomobject]@{ Text = ${powershellQuote(text)}; Help = ${powershellQuote(help || text)} }`,
    );
    return `    ${powershellQuote(command)} = @(\n${entries.join("\n")}\n    )`;
  });
  return `# Completion of ${name} for PowerShell.
Register-ArgumentCompleter -Native -CommandName ${powershellQuote(name)} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $offers = @{
${cases.join("\n")}
  }
  $words = $offers['']
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    if ($offers.ContainsKey("$element")) { $words = $offers["$element"]; break }
  }
  $words | Where-Object { $_.Text -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_.Text, $_.Text, 'ParameterValue', $_.Help)
  }
}
`;
}

function list(words: readonly { text: string }[]): string {
  return words.map(({ text }) => text).join(" ");
}

/** In single quotes, as PowerShell reads them. */
function powershellQuote(text: string): string {
  return `'${text.replaceAll("\n", " ").replaceAll("'", "''")}'`;
}

/** In single quotes, as the other shells read them. */
function quote(text: string): string {
  return `'${text.replaceAll("\n", " ").replaceAll("'", `'"'"'`)}'`;
}
