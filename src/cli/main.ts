import { CommanderError } from "commander";
import type { DefinedCommand } from "./define.js";
import { exitCodeOf, exitCodes, type ExitCode } from "./exit-codes.js";
import { UsageError, type CommandIo } from "./io.js";
import { createProgram } from "./program.js";
import { errorLines } from "./show.js";
import { asTyped } from "./typed-names.js";
import { RecordingKeyStoreError } from "../errors.js";

/** All commands; `kms` alone where it is called, because test suites wait for it and it needs little of the rest. */
async function commandsFor([name]: readonly string[]): Promise<readonly DefinedCommand[]> {
  if (name === "kms") return [(await import("./commands/kms.js")).kmsCommand];
  return (await import("./commands/index.js")).commands;
}

/** Runs a command line. Resolves with the exit code. */
export async function main(argv: readonly string[], io: CommandIo): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const asJson = argv.includes("--json");
  const program = createProgram(await commandsFor(argv), io, (ended) => (code = ended));
  // What the parser would say for people is said as JSON below.
  if (asJson) for (const each of [program, ...program.commands]) each.configureOutput({ writeErr: () => undefined });
  if (argv.length === 0) {
    program.outputHelp();
    return exitCodes.usage;
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    const isUsage = error instanceof CommanderError;
    if (isUsage && error.exitCode === 0) return exitCodes.done; // help, or the version
    if (error === io.signal.reason && io.signal.aborted) {
      io.printError("Interrupted.");
      return exitCodes.interrupted;
    }
    if (asJson) io.printError(JSON.stringify({ error: plain(error) }));
    else if (!isUsage) {
      const told = asTyped(
        error,
        program.commands.find((each) => each.name() === argv[0]),
      );
      for (const line of errorLines(told, io.paintError)) io.printError(line);
      if (told instanceof UsageError) io.printError(`\nrecording-keystore ${argv[0] ?? ""} --help tells more.`);
    }
    return isUsage ? exitCodes.usage : exitCodeOf(error);
  }
}

function plain(error: unknown): unknown {
  if (error instanceof RecordingKeyStoreError) return error;
  return error instanceof Error ? { name: error.name, message: error.message } : { message: String(error) };
}
