import { parseKmsArn, partitionOf } from "../in-memory-kms/arn.js";
import type { KmsSeed, KmsSeedAccount } from "../in-memory-kms/seed.js";
import { readKmsSeed } from "../in-memory-kms/seed-file.js";
import { InvalidInputError } from "../errors.js";
import { defined } from "../util/defined.js";
import { UsageError } from "./io.js";

/** What the in-memory KMS of the command begins with: a seed file, and one key behind each alias. */
export async function commandSeed(file: string | undefined, aliasArns: readonly string[] = []): Promise<KmsSeed> {
  const seed = file === undefined ? {} : await readKmsSeed(file).catch((error: unknown) => refuse(file, error));
  const own = aliasArns.map(keyBehind);
  const defaultAccountId = seed.defaultAccountId ?? own[0]?.accountId;
  const accounts: unknown = seed.accounts ?? [];
  if (!Array.isArray(accounts)) return seed; // refused with its place
  return { ...seed, ...defined({ defaultAccountId }), accounts: [...(accounts as readonly KmsSeedAccount[]), ...own] };
}

function keyBehind(aliasArn: string) {
  const arn = parseKmsArn(aliasArn);
  if (arn?.type !== "alias" || arn.partition !== partitionOf(arn.region))
    throw new UsageError(`--key: not the ARN of an alias of KMS: ${aliasArn}`);
  return { accountId: arn.accountId, region: arn.region, keys: [{ aliases: [arn.id] }] };
}

function refuse(file: string, error: unknown): never {
  if (error instanceof InvalidInputError) throw error;
  throw new UsageError(`--seed ${file}: ${error instanceof Error ? error.message : String(error)}`);
}
