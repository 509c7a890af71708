// Preloaded before the README's snippets: every KMSClient talks to one in-memory KMS, in which the README's accounts, key
// and key policy exist.
import { readFileSync } from "node:fs";
import { KMSClient } from "@aws-sdk/client-kms";
import { InMemoryKms } from "recording-keystore/testing";

const administrators = {
  Effect: "Allow",
  Principal: { AWS: "arn:aws:iam::111122223333:root" },
  Action: "kms:*",
  Resource: "*",
};
const statements = JSON.parse(readFileSync("policy-statements.json", "utf8"));

const kms = new InMemoryKms();
kms.createKey({
  accountId: "111122223333",
  alias: "alias/recordings",
  policy: { Version: "2012-10-17", Statement: [administrators, ...statements] },
});
kms.addPrincipal({
  arn: "arn:aws:iam::444455556666:role/recorder",
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  identityPolicy: "administrator",
});

const send = KMSClient.prototype.send;
KMSClient.prototype.send = function (...args) {
  // A snippet that brings its own in-memory KMS keeps it.
  if (!(this.config.requestHandler instanceof kms.requestHandler.constructor))
    this.config.requestHandler = kms.requestHandler;
  return send.apply(this, args);
};
