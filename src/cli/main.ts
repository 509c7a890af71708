import { UsageError, type Command, type CommandIo } from "./command.js";
import { kmsCommand } from "./kms.js";

const commands: readonly Command[] = [kmsCommand];

const help = `Usage: recording-keystore COMMAND [OPTIONS]

${commands.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`).join("\n")}

recording-keystore COMMAND --help tells more.`;

/** Runs a command line. Resolves with the exit code. */
export async function main(
  argv: readonly string[],
  io: CommandIo & { readonly printError: (line: string) => void },
): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "--help" || name === "help") {
    io.print(help);
    return name === undefined ? 2 : 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) {
    io.printError(`Unknown command: ${name}\n\n${help}`);
    return 2;
  }
  if (args.includes("--help")) {
    io.print(command.usage);
    return 0;
  }
  try {
    await command.run(args, io);
    return 0;
  } catch (error) {
    const mistake = isUsageError(error);
    io.printError(error instanceof Error ? error.message : String(error));
    if (mistake) io.printError(`\n${command.usage}`);
    return mistake ? 2 : 1;
  }
}

function isUsageError(error: unknown): boolean {
  return (
    error instanceof UsageError ||
    (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"))
  );
}
