import { RecordingKeyStore } from "../../src/key-store/recording-key-store.js";
import type { RecordingKeyStoreOptions } from "../../src/key-store/options.js";
import type { KmsProvider } from "../../src/kms/kms-provider.js";
import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { accountId } from "../support/kms-known-to-all.js";

/** A key store that reads the head each time, and does nothing in the background. */
export function keyStoreOver(
  store: KeyPairStore,
  organizationId: string,
  kms: KmsProvider,
  more: Partial<RecordingKeyStoreOptions> = {},
): RecordingKeyStore {
  return new RecordingKeyStore({
    organizationId,
    homeRegion: "eu-west-1",
    kms,
    store,
    storeTimeout: 60_000,
    trustedKmsKeys: [accountId],
    background: false,
    headTtl: 0,
    ...more,
  });
}
