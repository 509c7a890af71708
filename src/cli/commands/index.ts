import type { DefinedCommand } from "../define.js";
import { completionCommand } from "./completion.js";
import { configureCommand, rotateCommand, testCommand } from "./configuration.js";
import { drillCommand } from "./drill.js";
import { historyCommand, statusCommand, usageCommand } from "./history.js";
import { kmsCommand } from "./kms.js";
import { migrateCommand } from "./migrate.js";
import { checkPolicyCommand, policyCommand } from "./policy.js";
import { decryptCommand, encryptCommand, exportBundleCommand, inspectCommand, salvageCommand } from "./recordings.js";
import {
  acceptRestoredStoreCommand,
  forgetOrphansCommand,
  replaceUntrustedHeadCommand,
  restoreKeyPairsCommand,
  rewrapCommand,
} from "./repair.js";

/** Every subcommand, in the order in which the help lists them. */
export const commands: readonly DefinedCommand[] = [
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
