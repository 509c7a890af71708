import { invalidArn, notFound } from "./aws-error.js";

export interface KmsArn {
  partition: string;
  region: string;
  accountId: string;
  type: "key" | "alias";
  /** Key id, or alias name with its `alias/`. */
  id: string;
}

/** Partitions beside `aws`, by what their Regions' names begin with. */
const partitions: readonly (readonly [prefix: string, partition: string])[] = [
  ["cn-", "aws-cn"],
  ["us-gov-", "aws-us-gov"],
  ["us-iso-", "aws-iso"],
  ["us-isob-", "aws-iso-b"],
  ["eu-isoe-", "aws-iso-e"],
  ["us-isof-", "aws-iso-f"],
  ["eusc-", "aws-eusc"],
];

export function partitionOf(region: string): string {
  return partitions.find(([prefix]) => region.startsWith(prefix))?.[1] ?? "aws";
}

const regionForm =
  /^(?:(?:us|eu|ap|sa|ca|me|af|il|mx|cn)|us-gov|us-iso|us-isob|us-isof|eu-isoe|eusc-[a-z]{2})-(?:central|(?:north|south)(?:east|west)?|east|west)-[1-9]$/;

/** Whether a name is formed as AWS names its Regions. New ones need no new version of this model. */
export function isRegionName(region: string): boolean {
  return regionForm.test(region);
}

/** @throws TypeError for what can't be the name of a Region, whether or not AWS has it */
export function requireRegion(region: unknown): void {
  if (typeof region === "string" && /^[a-z]+(?:-[a-z]+)+-\d+$/.test(region)) return;
  throw new TypeError(`region must be a Region such as "us-east-1", and is ${JSON.stringify(region)}`);
}

/** @throws TypeError for what can't be an AWS account id */
export function requireAccountId(accountId: unknown, name = "accountId"): void {
  if (typeof accountId === "string" && /^\d{12}$/.test(accountId)) return;
  throw new TypeError(`${name} must be 12 digits, and is ${JSON.stringify(accountId)}`);
}

export function keyArn(region: string, accountId: string, keyId: string): string {
  return `arn:${partitionOf(region)}:kms:${region}:${accountId}:key/${keyId}`;
}

export function aliasArn(region: string, accountId: string, aliasName: string): string {
  return `arn:${partitionOf(region)}:kms:${region}:${accountId}:${aliasName}`;
}

const keyIdPattern = /^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** Parses the ARN of a key or alias. Returns `undefined` for anything else. */
export function parseKmsArn(arn: string): KmsArn | undefined {
  const match = /^arn:([^:]+):kms:([^:]+):(\d{12}):(key|alias)\/(.+)$/.exec(arn);
  if (!match) return undefined;
  const [, partition, region, accountId, type, name] = match as unknown as [
    string,
    string,
    string,
    string,
    "key" | "alias",
    string,
  ];
  return { partition, region, accountId, type, id: type === "alias" ? `alias/${name}` : name };
}

type KeyIdForm = "key-id" | "key-arn" | "alias-name" | "alias-arn";

/** The key or alias that a request's `KeyId` names, completed by the caller's account and Region. */
export interface KeyReference {
  form: KeyIdForm;
  arn: string;
  accountId: string;
  /** Name of the alias that the request used, with its `alias/`. */
  aliasName?: string;
}

/** Reads a `KeyId` in any of its four forms. @throws AwsError as the service does for one that it can't read */
export function readKeyId(keyId: string, caller: Pick<KmsArn, "region" | "accountId">): KeyReference {
  const { region, accountId } = caller;
  if (keyId.startsWith("alias/")) {
    return { form: "alias-name", arn: aliasArn(region, accountId, keyId), accountId, aliasName: keyId };
  }
  if (!keyId.startsWith("arn:")) {
    if (!keyIdPattern.test(keyId)) throw notFound.keyId(keyId);
    return { form: "key-id", arn: keyArn(region, accountId, keyId), accountId };
  }
  const arn = parseKmsArn(keyId);
  if (!arn) throw invalidArn(`Invalid arn ${keyId}`);
  if (arn.region !== region || arn.partition !== partitionOf(region)) throw notFound.region(arn.region);
  if (arn.type === "alias") return { form: "alias-arn", arn: keyId, accountId: arn.accountId, aliasName: arn.id };
  if (!keyIdPattern.test(arn.id)) throw notFound.keyId(arn.id);
  return { form: "key-arn", arn: keyId, accountId: arn.accountId };
}
