// Preloaded before the README's snippets: every KMSClient talks to one in-memory KMS, in which the README's key exists.
import { KMSClient } from "@aws-sdk/client-kms";
import { InMemoryKms } from "recording-keystore/testing";

const kms = new InMemoryKms();
const recorder = kms.addPrincipal({ arn: "arn:aws:iam::111122223333:role/recorder", accessKeyId: process.env.AWS_ACCESS_KEY_ID });
kms.createKey({ accountId: recorder.accountId, alias: "alias/recordings" });

const send = KMSClient.prototype.send;
KMSClient.prototype.send = function (...args) {
  // A snippet that brings its own in-memory KMS keeps it.
  if (!(this.config.requestHandler instanceof kms.requestHandler.constructor)) this.config.requestHandler = kms.requestHandler;
  return send.apply(this, args);
};
