import { RecordingKeyStoreError } from "../../../src/errors.js";
import { randomBytes } from "node:crypto";
import type { KeyPairContext } from "../../../src/key-pairs/context.js";
import { DataKeys, type DataKeyParts, type Recipient } from "../../../src/key-pairs/custody/data-keys.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import { TrustAnchor } from "../../../src/key-pairs/trust-anchor.js";
import { world, type WorkerOptions } from "../world.js";
import type { DataKeyLease } from "../../../src/format/data-key-lease.js";

const dataKey = randomBytes(32);

/** A data key as a recording's header holds it, wrapped for a pair. */
export const recipientOf = (pair: ClaimedKeyPair): Recipient => ({
  birthRecord: pair.birthRecord,
  wrappedDataKey: pair.wrappingKey.wrap(dataKey),
});

/** The same with the pair's own wrapped private half beside it. */
export const embeddedOf = (pair: ClaimedKeyPair): Recipient => ({
  ...recipientOf(pair),
  kmsKeyArn: pair.wrapping.kmsKeyArn,
  wrappedPrivateKey: pair.wrapping.ciphertext,
});

export function dataKeysOf(
  context: KeyPairContext,
  options: { embeddedKeys?: readonly string[] } & Partial<Pick<DataKeyParts, "active" | "history">> = {},
): DataKeys {
  const { embeddedKeys, active = () => undefined } = options;
  const anchor = embeddedKeys && new TrustAnchor(embeddedKeys, "embeddedKeys");
  const held = async () => active() ?? Promise.reject(new RecordingKeyStoreError("ERR_NOT_CONFIGURED", "no pair"));
  return new DataKeys({ ...context, embeddedKeys: anchor, active, history: options.history ?? held });
}

/** An organization with one pair, and a worker that opens data keys. */
export async function opening(options: WorkerOptions = {}, embeddedKeys?: readonly string[]) {
  const parts = world();
  const { pair, rotation } = await parts.configured();
  const made = parts.worker(options);
  parts.kms.journal.clear();
  const active = () => made.active.current?.pair;
  const dataKeys = dataKeysOf(made.context, { ...(embeddedKeys ? { embeddedKeys } : {}), active });
  return { ...parts, ...made, pair, changing: rotation, dataKeys };
}

/** Whether a lease is on the data key that was wrapped. */
export async function opened({ lease }: { lease: DataKeyLease }): Promise<boolean> {
  const key = await lease.dataKey();
  lease.release();
  return key.equals(dataKey);
}
