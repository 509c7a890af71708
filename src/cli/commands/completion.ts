import { Argument, type Command } from "commander";
import { defineCommand, type DefinedCommand } from "../define.js";

type Shell = "bash" | "zsh" | "fish";

/** The words that can follow a command: its own options, and nothing of what stands beside them. */
const optionsOf = (command: Command) =>
  [...command.options.flatMap(({ long }) => (long ? [long] : [])), "--help"].join(" ");

function bash(program: Command): string {
  const name = program.name();
  const cases = program.commands.map((command) => `    ${command.name()}) words="${optionsOf(command)}" ;;`);
  return `# source this, or put it where bash-completion looks
_${name.replaceAll("-", "_")}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${program.commands.map((command) => command.name()).join(" ")}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _${name.replaceAll("-", "_")} ${name}`;
}

function fish(program: Command): string {
  const name = program.name();
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return program.commands
    .flatMap((command) => [
      `complete -c ${name} -n __fish_use_subcommand -a ${command.name()} -d ${quoted(command.summary())}`,
      ...command.options.map(
        ({ long, description }) =>
          `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name()}' -l ${long?.slice(2)} -d ${quoted(description)}`,
      ),
    ])
    .join("\n");
}

const scripts: Readonly<Record<Shell, (program: Command) => string>> = {
  bash,
  zsh: (program) => `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`,
  fish,
};

/** `completion`, which describes all the others. */
export const completionCommand: DefinedCommand = (program, io, ended) =>
  defineCommand({
    name: "completion",
    summary: "Print a script with which a shell completes this command",
    group: "Other:",
    takesSettings: false,
    givesResult: false,
    help: `  recording-keystore completion bash > ~/.local/share/bash-completion/completions/recording-keystore`,
    add: (command) => command.addArgument(new Argument("<shell>", "which one").choices(Object.keys(scripts))),
    run: async ({ args: [shell], io: { print } }) => {
      print(scripts[shell as Shell](program));
    },
  })(program, io, ended);
