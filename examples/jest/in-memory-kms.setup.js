/*
 * One in-memory KMS for the whole run, over HTTP, for code that makes its own `KMSClient`. Tests find it by the environment, as
 * the code under test would find a VPC endpoint: Jest's workers inherit what is set here.
 */
const { InMemoryKms } = require("recording-keystore/testing");

module.exports = async () => {
  const kms = new InMemoryKms();
  const keyArn = kms.createKey({ alias: "alias/recordings" });
  const endpoint = await kms.listen();
  process.env.AWS_ENDPOINT_URL_KMS = endpoint.url;
  process.env.AWS_ACCESS_KEY_ID = "anybody"; // whom nobody has introduced administers the account 000000000000
  process.env.AWS_SECRET_ACCESS_KEY = "any-secret-will-do";
  process.env.KMS_KEY_ALIAS_ARN = keyArn.replace(/:key\/.*$/, ":alias/recordings");
  globalThis.inMemoryKmsEndpoint = endpoint; // setup and teardown share their globals, tests do not
};
