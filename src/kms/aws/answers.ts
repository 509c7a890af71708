import type { DescribeKeyCommandOutput, MultiRegionConfiguration } from "@aws-sdk/client-kms";
import { isBytes } from "../../util/bytes.js";
import { defined } from "../../util/defined.js";
import { wipe } from "../../util/secrets.js";
import { isKmsKeyArn, parseKmsArn, sameAccountAndRegion } from "../arn.js";
import { kmsError, type KmsError } from "../kms-error.js";
import type { KmsKeyDescription } from "../kms-provider.js";

/** The call that an answer belongs to. */
export interface AwsCall {
  readonly operation: string;
  /** ARN of the alias or key in the request. */
  readonly keyId: string;
}

/**
 * Checks the key that KMS answered with: it must be the requested key, or one that the requested alias could point at.
 * @throws KmsError `unexpected-answer`
 */
export function answeredKey(call: AwsCall, keyArn: string | undefined): string {
  if (typeof keyArn !== "string" || !isKmsKeyArn(keyArn)) throw unexpectedAnswer(call, "it names no key ARN");
  const fits = isKmsKeyArn(call.keyId) ? keyArn === call.keyId : couldBeBehind(call.keyId, keyArn);
  if (!fits) throw unexpectedAnswer(call, `it is about another key, ${keyArn}`);
  return keyArn;
}

/** @throws KmsError `unexpected-answer` */
export function answeredBytes(call: AwsCall, field: string, value: unknown): Uint8Array {
  // Not by `instanceof`: test runners load the SDK in another realm.
  if (!isBytes(value)) throw unexpectedAnswer(call, `it has no ${field}`);
  if (value.length === 0) throw unexpectedAnswer(call, `its ${field} is empty`);
  return value;
}

/** Wipes the secret of an answer, once it was copied or nobody waits for it any more. */
export function discardAnswer(answer: unknown): void {
  const plaintext = (answer as { Plaintext?: unknown } | undefined)?.Plaintext;
  if (isBytes(plaintext)) wipe(plaintext);
}

/** @throws KmsError `unexpected-answer` */
export function answeredDescription(call: AwsCall, { KeyMetadata: key }: DescribeKeyCommandOutput): KmsKeyDescription {
  if (!key) throw unexpectedAnswer(call, "it has no KeyMetadata");
  const {
    KeyState,
    KeySpec,
    KeyUsage,
    Enabled,
    Origin,
    KeyManager,
    MultiRegionConfiguration: multiRegion,
    DeletionDate,
  } = key;
  const text = (field: string, value: string | undefined) => {
    if (typeof value === "string" && value !== "") return value;
    throw unexpectedAnswer(call, `its KeyMetadata has no ${field}`);
  };
  const keyState = text("KeyState", KeyState);
  return {
    keyArn: answeredKey(call, key.Arn),
    enabled: Enabled ?? keyState === "Enabled",
    keyState,
    keySpec: text("KeySpec", KeySpec),
    keyUsage: text("KeyUsage", KeyUsage),
    ...defined({
      origin: Origin,
      keyManager: KeyManager,
      multiRegion: multiRegion && regionsOf(multiRegion),
      deletionDate: DeletionDate,
    }),
  };
}

function regionsOf({ PrimaryKey, ReplicaKeys = [] }: MultiRegionConfiguration): KmsKeyDescription["multiRegion"] {
  if (PrimaryKey?.Region === undefined) return undefined;
  const replicaRegions = ReplicaKeys.map(({ Region }) => Region).filter((region) => region !== undefined);
  return { primaryRegion: PrimaryKey.Region, replicaRegions };
}

/** Whether an alias could point at a key. */
function couldBeBehind(aliasArn: string, keyArn: string): boolean {
  // KMS answers with the ARN in the Region of the request, also for multi-Region keys.
  return sameAccountAndRegion(keyArn, aliasArn) && parseKmsArn(keyArn)?.region === parseKmsArn(aliasArn)?.region;
}

function unexpectedAnswer(call: AwsCall, what: string): KmsError {
  return kmsError("unexpected-answer", {
    ...call,
    message: `the answer to ${call.operation} with ${call.keyId} is not what KMS promises: ${what}`,
  });
}
