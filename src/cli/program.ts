import { createRequire } from "node:module";
import { Command } from "commander";
import { completionCommand } from "./commands/completion.js";
import { configureCommand, rotateCommand, testCommand } from "./commands/configuration.js";
import { drillCommand } from "./commands/drill.js";
import { historyCommand, statusCommand, usageCommand } from "./commands/history.js";
import { kmsCommand } from "./commands/kms.js";
import { migrateCommand } from "./commands/migrate.js";
import { checkPolicyCommand, policyCommand } from "./commands/policy.js";
import {
  decryptCommand,
  encryptCommand,
  exportBundleCommand,
  inspectCommand,
  salvageCommand,
} from "./commands/recordings.js";
import {
  acceptRestoredStoreCommand,
  forgetOrphansCommand,
  replaceUntrustedHeadCommand,
  restoreKeyPairsCommand,
  rewrapCommand,
} from "./commands/repair.js";
import type { DefinedCommand } from "./define.js";
import { exitCodeMeanings, type ExitCode } from "./exit-codes.js";
import type { CommandIo } from "./io.js";

const commands: readonly DefinedCommand[] = [
  testCommand,
  configureCommand,
  rotateCommand,
  statusCommand,
  historyCommand,
  usageCommand,
  encryptCommand,
  decryptCommand,
  salvageCommand,
  inspectCommand,
  migrateCommand,
  exportBundleCommand,
  rewrapCommand,
  forgetOrphansCommand,
  acceptRestoredStoreCommand,
  replaceUntrustedHeadCommand,
  restoreKeyPairsCommand,
  drillCommand,
  policyCommand,
  checkPolicyCommand,
  kmsCommand,
  completionCommand,
];

/** The command `recording-keystore` with all its subcommands. `ended` is told the exit code of the one that ran. */
export function createProgram(io: CommandIo, ended: (code: ExitCode) => void): Command {
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
