import { Option, type Command } from "commander";
import { listOf } from "./arguments.js";
import { UsageError } from "./io.js";
import { readNamed } from "./named-files.js";

/** Whose keys a command is about, and where they are. All optional: a command says what it misses. */
export interface Settings {
  readonly organization?: string;
  readonly homeRegion?: string;
  readonly store?: string;
  readonly kmsEndpoint?: string;
  readonly trustedKmsKeys?: readonly string[];
  readonly embeddedKeys?: readonly string[];
  readonly decryptRegions?: readonly string[];
  readonly contextKeyName?: readonly string[];
  readonly fleetSecretFile?: string;
}

interface Setting {
  readonly name: keyof Settings;
  readonly flags: string;
  readonly about: string;
  readonly list?: true;
}

/** Every setting: an option, an environment variable, and a member of the settings file. */
export const settings: readonly Setting[] = [
  { name: "organization", flags: "--organization <id>", about: "the organization" },
  { name: "homeRegion", flags: "--home-region <region>", about: "AWS Region in which its KMS key must exist" },
  {
    name: "store",
    flags: "--store <url>",
    about:
      "key pair store: file:PATH, dynamodb://TABLE?region=R, postgres://HOST/DATABASE?schema=S or s3://BUCKET/PREFIX?region=R",
  },
  {
    name: "kmsEndpoint",
    flags: "--kms-endpoint <url>",
    about: "another endpoint than AWS's, such as an in-memory KMS",
  },
  {
    name: "trustedKmsKeys",
    flags: "--trusted-kms-keys <arns>",
    about: "which KMS keys count: account ids, alias ARNs, key ARNs",
    list: true,
  },
  {
    name: "embeddedKeys",
    flags: "--embedded-keys <arns>",
    about: "KMS keys under which recordings may be opened by what they carry, without the store",
    list: true,
  },
  {
    name: "decryptRegions",
    flags: "--decrypt-regions <regions>",
    about: "further Regions that may decrypt",
    list: true,
  },
  {
    name: "contextKeyName",
    flags: "--context-key-name <names>",
    about: "name of the organization's id in the encryption context",
    list: true,
  },
  { name: "fleetSecretFile", flags: "--fleet-secret-file <path>", about: "file with the fleet's secret: its bytes" },
];

const variableOf = (name: string) =>
  `RECORDING_KEYSTORE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Adds the options that say whose keys, and where. */
export function addSettings(command: Command): Command {
  for (const { name, flags, about, list } of settings) {
    const option = new Option(flags, about).env(variableOf(name)).helpGroup("Whose keys, and where:");
    command.addOption(list ? option.argParser(listOf) : option);
  }
  return command.addOption(
    new Option("--config <file>", "JSON file with any of these settings, by their names in camelCase")
      .env("RECORDING_KEYSTORE_CONFIG")
      .helpGroup("Whose keys, and where:"),
  );
}

/**
 * The settings of a command: its options, else the environment, else the settings file. That file is named by the user: one that
 * merely lies in the current folder could name another KMS.
 * @throws UsageError
 */
export async function readSettings(command: Command): Promise<Settings> {
  const given = command.opts<Settings & { config?: string }>();
  refusePassword(command, given.store);
  const file = given.config === undefined ? {} : await readSettingsFile(given.config);
  const merged: Record<string, unknown> = {};
  for (const { name } of settings) {
    const value = given[name] ?? file[name];
    if (value !== undefined) merged[name] = value;
  }
  return merged;
}

/** A command line is seen by every user of the machine, and kept in histories. */
function refusePassword(command: Command, store: string | undefined): void {
  if (store === undefined || command.getOptionValueSource("store") !== "cli") return;
  if (URL.canParse(store) && new URL(store).password !== "")
    throw new UsageError(
      `--store: a password must not stand on the command line: give PGPASSWORD, a ~/.pgpass, or the URL as ${variableOf("store")}`,
    );
}

/** @throws UsageError naming the file and what is wrong with it */
async function readSettingsFile(path: string): Promise<Settings> {
  const refuse = (rule: string) => new UsageError(`--config ${path}: ${rule}`);
  const text = (await readNamed(`--config ${path}`, path)).toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse("is no JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw refuse("must hold a JSON object");
  for (const [name, value] of Object.entries(json)) {
    const setting = settings.find((known) => known.name === name);
    if (!setting) throw refuse(`${name} is no setting; there are ${settings.map((known) => known.name).join(", ")}`);
    const isText = typeof value === "string";
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    if (setting.list ? !isList : !isText) throw refuse(`${name} must be a ${setting.list ? "list of texts" : "text"}`);
  }
  return json;
}

/** A setting that a command can't do without. @throws UsageError that says how to give it */
export function required<N extends keyof Settings>(given: Settings, name: N): NonNullable<Settings[N]> {
  const value = given[name];
  if (value !== undefined) return value;
  const { flags, about } = settings.find((setting) => setting.name === name) ?? { flags: name, about: name };
  throw new UsageError(
    `${flags} is missing (${about}). It can also be ${variableOf(name)}, or ${name} in the file of --config`,
  );
}
