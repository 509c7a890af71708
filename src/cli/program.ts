import { createRequire } from "node:module";
import { Command } from "commander";
import type { DefinedCommand } from "./define.js";
import { exitCodeMeanings, type ExitCode } from "./exit-codes.js";
import type { CommandIo } from "./io.js";

/** The command `recording-keystore` with subcommands. `ended` is told the exit code of the one that ran. */
export function createProgram(
  commands: readonly DefinedCommand[],
  io: CommandIo,
  ended: (code: ExitCode) => void,
): Command {
  const program = new Command("recording-keystore")
    .description("Recordings under an organization's own AWS KMS key: administration, recordings, repair.")
    .version(versionOf())
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      writeErr: (text) => io.printError(text.trimEnd()),
    })
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      "after",
      `
Exit codes:
${exitCodeMeanings.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n")}

Credentials for AWS are found as by any program of AWS: environment, profile, role.`,
    );
  for (const define of commands) define(program, io, ended);
  return program;
}

function versionOf(): string {
  const { version } = createRequire(import.meta.url)("recording-keystore/package.json") as { version: string };
  return version;
}
