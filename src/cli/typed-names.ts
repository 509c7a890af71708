import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { UsageError } from "./io.js";

/** The command line's own names of fields that the library names otherwise. */
const typedNames: Readonly<Record<string, string>> = {
  organizationId: "organization",
  organizationIds: "organizations",
  accountId: "account",
  kmsKeyAliasArn: "alias",
  periodicKeyChange: "period",
  keyPairSpec: "spec",
  serviceAccountId: "serviceAccount",
  servicePrincipalArns: "serviceRoles",
  directory: "store",
  bucket: "store",
  prefix: "store",
  tableName: "store",
  schema: "store",
  inputPath: "<input>",
  outputPath: "<output>",
};

/** A refusal of the library in the words that were typed; any other error, and a field that nobody typed, as it is. */
export function asTyped(error: unknown, command: Command | undefined): unknown {
  if (!(error instanceof InvalidInputError)) return error;
  // A field of a list or an object, such as `trustedKmsKeys.0`, is named by the option that holds it.
  for (const part of error.field.split(".")) {
    const name = typedNames[part] ?? part;
    const flag = name.startsWith("<") ? name : command?.options.find((option) => option.attributeName() === name)?.long;
    if (flag) return new UsageError(`${flag}: ${error.message.slice(error.field.length + 2)}`);
  }
  return error;
}
