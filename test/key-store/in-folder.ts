import { RecordingKeyStore } from "../../src/key-store/recording-key-store.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { accountId, kms } from "../support/kms-known-to-all.js";

/** A key store over files, for processes that share them. */
export function open(directory: string): RecordingKeyStore {
  return new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "eu-west-1",
    kms,
    store: new FileKeyPairStore({ directory }),
    trustedKmsKeys: [accountId],
    background: false,
    headTtl: 0,
  });
}
