/*
 * The same through the AWS SDK, over the KMS that the set-up started: for code that makes its own `KMSClient`. All test files share that
 * KMS, so what one of them takes away is away for all; tests of outages have one of their own, as in recorder.test.js.
 */
const { KMSClient } = require("@aws-sdk/client-kms");
const { RecordingKeyStore } = require("recording-keystore");
const { AwsKmsProvider } = require("recording-keystore/aws");
const { MemoryKeyPairStore } = require("recording-keystore/testing");
const { Recorder } = require("./recorder");

test("records and plays through the SDK, whose endpoint is in memory", async () => {
  const client = new KMSClient({ region: "us-east-1", endpoint: process.env.AWS_ENDPOINT_URL_KMS });
  const keyStore = new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "us-east-1",
    kms: new AwsKmsProvider({ client: () => client }),
    store: new MemoryKeyPairStore(),
    trustedKmsKeys: ["000000000000"],
  });
  await keyStore.configure({ kmsKeyAliasArn: process.env.KMS_KEY_ALIAS_ARN });

  const recorder = new Recorder(keyStore);
  const audio = Buffer.from("two channels of a call");
  await recorder.record("call-1", audio);
  expect(audio.equals(await recorder.play("call-1"))).toBe(true);

  await keyStore.close();
  client.destroy(); // the key store ends nothing that it was given
});
