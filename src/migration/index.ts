export { migrateRecordings, type MigrationReport } from "./migrate.js";
export type { MigratingKeyStore, MigrationOptions, MigrationProgress } from "./options.js";
export {
  ruleByExtension,
  ruleByPatterns,
  type MigrationPattern,
  type MigrationRule,
  type MigrationTarget,
  type PlainFile,
  type RuleByExtensionOptions,
} from "./rules.js";
export { migrationStates, type LeftBecause, type MigratedFile, type MigrationState } from "./states.js";
