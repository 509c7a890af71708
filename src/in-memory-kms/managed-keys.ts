import { aliasArn, partitionOf } from "./arn.js";
import { KmsKey } from "./key.js";
import type { KmsState } from "./state.js";

const sameName =
  "acm backup codecommit dms dynamodb elasticfilesystem es fsx glue kafka kinesis kinesisvideo lambda lightsail rds redshift s3 " +
  "secretsmanager sns sqs ssm workspaces xray";

/** Services with a key of their own in each account, and the name of what calls KMS for them. */
const services = new Map([...sameName.split(" ").map((name) => [name, name] as const), ["ebs", "ec2"]]);

interface Place {
  readonly region: string;
  readonly accountId: string;
}

/**
 * The AWS managed key of an account that an alias such as `alias/aws/s3` names, made when it is first named as the service makes it
 * on first use. `undefined` for an alias of no service.
 */
export function managedKey(state: KmsState, aliasName: string, { region, accountId }: Place): KmsKey | undefined {
  const service = /^alias\/aws\/(\w+)$/.exec(aliasName)?.[1] ?? "";
  const caller = services.get(service);
  if (caller === undefined) return undefined;
  const key = new KmsKey({
    ...{ region, accountId },
    manager: "AWS",
    createdAt: state.now,
    description: `Default key that protects my ${service} data when no other key is defined`,
    policy: managedKeyPolicy(caller, { region, accountId }),
  });
  // Once a year, as documented.
  key.material?.enableAutomaticRotation(state.now, 365);
  state.putKey(key);
  const arn = aliasArn(region, accountId, aliasName);
  state.putAlias({ arn, name: aliasName, region, accountId, keyId: key.keyId });
  return key;
}

/** Lets callers of the account use the key through its service, and look at it. Nobody may change it. */
function managedKeyPolicy(service: string, { region, accountId }: Place): string {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const throughService = {
    Sid: `Allow access through ${service} for all principals in the account that are authorized to use it`,
    Effect: "Allow",
    Principal: { AWS: "*" },
    Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    Resource: "*",
    Condition: {
      StringEquals: { "kms:CallerAccount": accountId, "kms:ViaService": `${service}.${region}.${domain}` },
    },
  };
  const metadata = {
    Sid: "Allow direct access to key metadata to the account",
    Effect: "Allow",
    Principal: { AWS: `arn:${partitionOf(region)}:iam::${accountId}:root` },
    Action: ["kms:Describe*", "kms:Get*", "kms:List*"],
    Resource: "*",
  };
  return JSON.stringify({ Version: "2012-10-17", Id: `auto-${service}`, Statement: [throughService, metadata] });
}
