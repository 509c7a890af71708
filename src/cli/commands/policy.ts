import { Option, type Command } from "commander";
import { checkKeyPolicy } from "../../key-policy/check.js";
import type { KeyAccess, RecordingKeyGrant } from "../../key-policy/grant.js";
import { recordingKmsGrants } from "../../key-policy/kms-grants.js";
import { recordingKmsKey } from "../../key-policy/kms-key.js";
import { recordingKeyPolicy, recordingKeyStatements, recordingRolePolicy } from "../../key-policy/write.js";
import { keyPairSpecs, type KeyPairSpec } from "../../format/vocabulary.js";
import { defined } from "../../util/defined.js";
import { listOption } from "../arguments.js";
import { defineCommand } from "../define.js";
import { exitCodes } from "../exit-codes.js";
import { UsageError } from "../io.js";
import { readText } from "../named-files.js";

const group = "For the owner of the KMS key:";

interface GrantOptions {
  readonly organizations: readonly string[];
  readonly serviceAccount?: string;
  readonly serviceRoles?: readonly string[];
  readonly contextKeyName?: string;
  readonly access?: KeyAccess;
  readonly account?: string;
  readonly key?: string;
}

const addGrant = (command: Command) =>
  command
    .addOption(
      listOption("--organizations <ids>", "organization ids that recordings are made for").makeOptionMandatory(),
    )
    .option("--service-account <id>", "AWS account of the recording service")
    .addOption(listOption("--service-roles <arns>", "roles or users of the recording service, instead of its account"))
    .option("--context-key-name <name>", "name of the organization's id in the encryption context")
    .addOption(new Option("--access <access>", "what the service may do").choices(["recordings", "attestations"]))
    .option("--account <id>", "AWS account that owns the KMS key")
    .option("--key <arn>", "ARN of the KMS key");

const grantOf = ({
  organizations,
  serviceAccount,
  serviceRoles,
  contextKeyName,
  access,
}: GrantOptions): RecordingKeyGrant => ({
  organizationIds: organizations,
  ...defined({ serviceAccountId: serviceAccount, servicePrincipalArns: serviceRoles, contextKeyName, access }),
});

const json = (value: unknown) => JSON.stringify(value, undefined, 2);

const writers: Readonly<Record<string, (options: GrantOptions & { readonly alias: string }) => string>> = {
  statements: (options) => json(recordingKeyStatements(grantOf(options))),
  "key-policy": (options) =>
    json(recordingKeyPolicy({ accountId: need(options, "account"), grants: [grantOf(options)] })),
  "role-policy": ({ key, access }) =>
    json(recordingRolePolicy(defined({ kmsKeyArns: key === undefined ? undefined : [key], access }))),
  grants: (options) =>
    recordingKmsGrants({ ...grantOf(options), kmsKeyArn: need(options, "key") })
      .map(({ command }) => command)
      .join("\n\n"),
  cloudformation: (options) => json(newKey(options).cloudFormation),
  terraform: (options) => newKey(options).terraform.trimEnd(),
};

const newKey = (options: GrantOptions & { readonly alias: string }) =>
  recordingKmsKey({ accountId: need(options, "account"), aliasName: options.alias, grants: [grantOf(options)] });

function need(options: GrantOptions, name: "account" | "key"): string {
  const value = options[name];
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

export const policyCommand = defineCommand<GrantOptions & { readonly as: string; readonly alias: string }>({
  name: "policy",
  summary: "Write what AWS must allow: key policy, role policy, KMS grants, or a new key",
  group,
  takesSettings: false,
  givesResult: false,
  add: (command) =>
    addGrant(command)
      .addOption(new Option("--as <form>", "what to write").choices(Object.keys(writers)).default("statements"))
      .option("--alias <name>", "alias of the new key of cloudformation and terraform", "alias/recordings"),
  run: async ({ options, io }) => {
    io.print(writers[options.as]?.(options) ?? "");
  },
});

export const checkPolicyCommand = defineCommand<GrantOptions & { readonly spec?: KeyPairSpec }>({
  name: "check-policy",
  summary: "Say what is wrong with a key policy, without asking AWS",
  group,
  takesSettings: false,
  add: (command) =>
    addGrant(command)
      .argument("<file>", "the policy as JSON, or - for standard input")
      .addOption(new Option("--spec <spec>", "kind of the key pairs").choices(keyPairSpecs)),
  run: async ({ options, args: [file = "-"], io, show }) => {
    const { account, key, spec } = options;
    const report = checkKeyPolicy(await readText(file, io), {
      ...grantOf(options),
      ...defined({ accountId: account, kmsKeyArn: key, keyPairSpec: spec }),
    });
    const { ok, findings } = report;
    show(report, [
      ...findings.flatMap(({ severity, code, message }) => [`${severity}: ${message} (${code})`]),
      ok
        ? "As far as the policy tells, the organization is served."
        : "With this policy the organization can't be served.",
    ]);
    if (!ok) return exitCodes.incomplete;
  },
});
