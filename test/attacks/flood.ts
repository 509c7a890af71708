import { randomUUID } from "node:crypto";
import type { BirthRecord } from "../../src/format/birth-record.js";
import { garbage, type StoreWriter } from "./store-writer.js";
import { customerAccountId, homeRegion, world } from "./world.js";

/** After the organization moved to another KMS key, rewrapped, and disabled the one before. */
export async function moved() {
  const parts = await world();
  const { kms, keyArn, kmsKeyAliasArn, host, hostMemory } = parts;
  const lastConfirmed = await hostMemory();
  const owner = host({ lastConfirmed });
  const policy = kms.getKeyPolicy(keyArn);
  /** To a new KMS key; gives its ARN. */
  const moveOn = async () => {
    const next = kms.createKey({ accountId: customerAccountId, region: homeRegion, policy });
    kms.pointAlias(kmsKeyAliasArn, next);
    await owner.rotate();
    return next;
  };
  const secondKeyArn = await moveOn();
  await owner.rewrapKeyPairs();
  kms.disableKey(keyArn);
  return { ...parts, owner, lastConfirmed, moveOn, secondKeyArn };
}

/** Pairs ahead of the genuine ones, and a head that names none of them. */
export async function flood(
  writer: StoreWriter,
  count: number,
  kmsKeyArn: () => string,
  change: Partial<BirthRecord> = {},
): Promise<void> {
  const { birth } = await writer.forge(change);
  for (let index = 0; index < count; index += 1) {
    await writer.put(writer.invent({ ...birth, keyPairId: randomUUID(), sequence: 1_000 + index }, kmsKeyArn()));
  }
  await writer.point(garbage(50));
}
