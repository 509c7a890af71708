import { randomBytes } from "node:crypto";
import type { KmsProvider } from "../../../src/index.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import {
  rewrapKeyPairs as rewrap,
  type RewrapReport,
  type RewrapRequest,
} from "../../../src/key-pairs/operations/rewrap.js";
import type { VouchedKeyPair } from "../../../src/key-pairs/trust.js";
import { storedWrapping } from "../../../src/key-pairs/wrappings.js";
import { altered, isWiped } from "../altered-kms.js";
import { homeRegion, kmsKeyAliasArn, organizationId, world } from "../world.js";

/** A pair under a first KMS key, and the active one under a second, to which the alias was moved. */
export async function moved() {
  const parts = world();
  const { pair: earlier, rotation, context } = await parts.configured();
  const moveAlias = async (): Promise<VouchedKeyPair> => {
    parts.kms.pointAlias(kmsKeyAliasArn, parts.kms.createKey({ region: homeRegion }));
    return rotation.rotate({});
  };
  const active = await moveAlias();
  parts.kms.journal.clear();
  const stored = (pair: ClaimedKeyPair = earlier) => parts.store.listWrappings(organizationId, pair.birth.keyPairId);
  const operations = () => parts.kms.journal.calls().map(({ operation }) => operation);
  const put = (pair: ClaimedKeyPair, kmsKeyArn: string) =>
    parts.store.createWrapping(
      organizationId,
      pair.birth.keyPairId,
      storedWrapping(pair, { kmsKeyArn, ciphertext: randomBytes(150) }),
    );
  return { ...parts, context, rotation, earlier, active, moveAlias, stored, operations, put };
}

/** Rewraps pair by pair, unless the test says how. */
export function rewrapKeyPairs(
  context: Parameters<typeof rewrap>[0],
  active: VouchedKeyPair,
  signal?: AbortSignal,
  request: Partial<RewrapRequest> = {},
): Promise<RewrapReport> {
  return rewrap(context, active, { dryRun: false, concurrency: 1, ...request }, signal);
}

export interface Lies {
  /** The key that KMS names in its answer to Encrypt. */
  readonly encrypt?: (keyArn: string) => string;
  readonly decrypt?: (
    plaintext: Uint8Array,
    request: { readonly keyId: string; readonly encrypted: boolean },
  ) => Uint8Array;
}

/** A provider some of whose answers are a test's own, and whether all that it saw in the clear is zeros again. */
export function lying(provider: KmsProvider, { encrypt, decrypt }: Lies = {}) {
  const secrets: Uint8Array[] = [];
  let encrypted = false;
  const kms = altered(provider, {
    encrypt: async (request, options) => {
      secrets.push(request.plaintext);
      const answer = await provider.encrypt(request, options);
      encrypted = true;
      return { ...answer, keyArn: encrypt?.(answer.keyArn) ?? answer.keyArn };
    },
    decrypt: async (request, options) => {
      const answer = await provider.decrypt(request, options);
      const plaintext = decrypt?.(answer.plaintext, { keyId: request.keyId, encrypted }) ?? answer.plaintext;
      secrets.push(plaintext);
      return { ...answer, plaintext };
    },
  });
  return { kms, allWiped: () => secrets.length > 0 && secrets.every(isWiped) };
}
