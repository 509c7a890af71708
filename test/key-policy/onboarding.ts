import { KMSClient } from "@aws-sdk/client-kms";
import { RecordingKeyStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../../src/testing/index.js";

export const owner = "111122223333";
export const service = "444455556666";
export const region = "eu-west-1";
export const recorderRole = `arn:aws:iam::${service}:role/recorder`;
export const playerRole = `arn:aws:iam::${service}:role/player`;

/** An organization's administrator with the AWS SDK, and workers of the recording service in another account with one store. */
export function onboarding() {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock, pooledKeyPairs: true });
  const { accessKeyId } = kms.addPrincipal({
    arn: `arn:aws:iam::${owner}:role/key-administrator`,
    identityPolicy: "administrator",
  });
  const administrator = new KMSClient(kms.clientConfig(region, { accessKeyId }));
  const store = new MemoryKeyPairStore();
  const worker = (
    arn = `arn:aws:iam::${service}:role/recording`,
    options: Partial<RecordingKeyStoreOptions> = {},
    identityPolicy: string | object = "administrator",
  ) => {
    const caller = kms.addPrincipal({ arn, identityPolicy });
    return new RecordingKeyStore({
      organizationId: "org-1",
      homeRegion: region,
      kms: new InMemoryKmsProvider(kms, caller),
      store,
      clock,
      trustedKmsKeys: [owner],
      background: false,
      ...options,
    });
  };
  return { kms, administrator, worker };
}
