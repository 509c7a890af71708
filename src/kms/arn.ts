/** A KMS ARN taken apart. */
export interface KmsArn {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  readonly resource: { readonly type: "key"; readonly id: string } | { readonly type: "alias"; readonly name: string };
  /** A multi-Region key: its id (`mrk-` …) names the same key in every Region that has a replica. */
  readonly multiRegion: boolean;
}

const arnPattern =
  /^arn:(aws|aws-us-gov|aws-cn):kms:([a-z]{2,3}(?:-[a-z]+)+-\d{1,2}):(\d{12}):(key|alias)\/([A-Za-z0-9/_-]{1,250})$/;
/** Longest alias, `alias/` included, in characters: a limit of the KMS API. */
const maxAliasLength = 256;

export function parseKmsArn(text: string): KmsArn | undefined {
  const match = arnPattern.exec(text);
  if (!match) return undefined;
  const [, partition = "", region = "", accountId = "", type, name = ""] = match;
  if (partitionOfRegion(region) !== partition) return undefined;
  if (type === "alias") {
    if (`alias/${name}`.length > maxAliasLength) return undefined;
    return { partition, region, accountId, resource: { type: "alias", name }, multiRegion: false };
  }
  if (name.includes("/")) return undefined;
  return { partition, region, accountId, resource: { type: "key", id: name }, multiRegion: name.startsWith("mrk-") };
}

export function isKmsKeyArn(text: string): boolean {
  return parseKmsArn(text)?.resource.type === "key";
}

/** The rule that an alias ARN breaks, in plain words; `undefined` for a good one. */
export function kmsAliasArnProblem(text: string): string | undefined {
  const form = "must be an alias ARN, arn:{partition}:kms:{region}:{account}:alias/{name}";
  const parts = text.split(":");
  if (parts[0] !== "arn" || parts.length !== 6) return form;
  const [, partition = "", service, region = "", accountId = "", resource = ""] = parts;
  if (!["aws", "aws-us-gov", "aws-cn"].includes(partition))
    return `${form}: the partition must be aws, aws-us-gov or aws-cn`;
  if (service !== "kms") return `${form}: the service must be kms`;
  if (!/^[a-z]{2,3}(-[a-z]+)+-\d{1,2}$/.test(region)) return `${form}: the Region must be one, such as eu-west-1`;
  if (partitionOfRegion(region) !== partition)
    return `must name a Region of its partition: ${region} is in ${partitionOfRegion(region)}, not in ${partition}`;
  if (!/^\d{12}$/.test(accountId)) return `${form}: the account must have 12 digits`;
  if (resource.startsWith("key/"))
    return "must be an alias ARN, not a key ARN: keys are reached by alias so that they can be changed behind it";
  if (!/^alias\/[A-Za-z0-9/_-]+$/.test(resource)) return `${form}: an alias name has only A-Z a-z 0-9 / _ -`;
  if (resource.startsWith("alias/aws/"))
    return "must not be under alias/aws/, which is reserved for keys that AWS manages";
  if (resource.length > maxAliasLength)
    return `must have an alias of at most ${maxAliasLength} characters, alias/ included`;
  return undefined;
}

export function regionOf(arn: string): string | undefined {
  return parseKmsArn(arn)?.region;
}

/** Whether an alias could point at a key, or lies beside another alias: same account, and same Region unless the key is multi-Region. */
export function sameAccountAndRegion(arn: string, aliasArn: string): boolean {
  const one = parseKmsArn(arn);
  const alias = parseKmsArn(aliasArn);
  if (!one || !alias || one.partition !== alias.partition || one.accountId !== alias.accountId) return false;
  return one.region === alias.region || one.multiRegion;
}

/** ARN of a multi-Region key's replica in another Region; `undefined` for any other ARN. */
export function replicaArn(keyArn: string, region: string): string | undefined {
  const key = parseKmsArn(keyArn);
  if (!key?.multiRegion || key.resource.type !== "key" || partitionOfRegion(region) !== key.partition) return undefined;
  return `arn:${key.partition}:kms:${region}:${key.accountId}:key/${key.resource.id}`;
}

function partitionOfRegion(region: string): string {
  if (region.startsWith("us-gov-")) return "aws-us-gov";
  if (region.startsWith("cn-")) return "aws-cn";
  return "aws";
}
