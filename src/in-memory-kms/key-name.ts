import { knownOptions } from "../util/check-input.js";
import { parseKmsArn, type KmsArn } from "./arn.js";
import { notFound } from "./aws-error.js";
import type { KmsState } from "./state.js";

/**
 * A key or alias by any name: key ARN or alias ARN; key id or alias name, as a text where it is the only one of all accounts
 * and Regions, and otherwise with its Region, or account, or both.
 */
export type KmsKeyName = string | { readonly keyId: string; readonly region?: string; readonly accountId?: string };

interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** The key of that name. @throws TypeError for a name that is none's, or more than one's; AwsError for an alias that is not there */
export function keyNamed(state: KmsState, name: KmsKeyName): Place & { arn: string } {
  const { keyId, ...filter } = membersOf(name);
  const arn = parseKmsArn(keyId);
  if (arn?.type === "key") return { arn: keyId, region: arn.region, accountId: arn.accountId };
  if (!arn && !keyId.startsWith("alias/")) return onlyOne(keyId, state.keys({ keyId, ...filter }));
  const alias = aliasNamed(state, name);
  const key = state.keyOfAlias(alias.arn);
  if (!key) throw notFound.alias(alias.arn);
  return { arn: key.arn, region: key.region, accountId: key.accountId };
}

/** The alias of that name, whether or not it is there if its ARN is given. @throws TypeError as {@link keyNamed} does */
export function aliasNamed(state: KmsState, name: KmsKeyName): Place & Pick<KmsArn, "id"> & { arn: string } {
  const { keyId, ...filter } = membersOf(name);
  const parsed = parseKmsArn(keyId);
  if (parsed?.type === "alias")
    return { arn: keyId, id: parsed.id, region: parsed.region, accountId: parsed.accountId };
  const known = state.aliases(filter).filter((alias) => alias.name === keyId);
  return { id: keyId, ...onlyOne(keyId, known) };
}

function membersOf(name: KmsKeyName): Exclude<KmsKeyName, string> {
  const members =
    typeof name === "string" ? { keyId: name } : knownOptions(name, { keyId: true, region: true, accountId: true });
  if (typeof members?.keyId !== "string")
    throw new TypeError("A key is named by a text, or by { keyId } with its Region or account");
  return members;
}

function onlyOne(name: string, found: readonly (Place & { readonly arn: string })[]): Place & { arn: string } {
  const [first, ...others] = found;
  if (!first) throw new TypeError(`No key or alias is named ${JSON.stringify(name)} here`);
  if (others.length > 0) {
    const all = found.map(({ arn }) => arn).join(", ");
    throw new TypeError(
      `${JSON.stringify(name)} names ${found.length}: ${all}; give { keyId, region, accountId }, or an ARN`,
    );
  }
  return { arn: first.arn, region: first.region, accountId: first.accountId };
}
