/*
 * A call recording under an organization's own KMS key, through a KMS outage and a change of key.
 *
 *   npm start              with the call in examples/assets
 *   npm start -- FILE      with a file of yours
 *
 * Everything is real (the AWS SDK's KMSClient, key pairs, files) except the far end: an in-memory KMS takes the SDK's
 * requests where the network would begin. The outage, too, happens there. `new KMSClient({ region })` makes it AWS.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { KMSClient } from "@aws-sdk/client-kms";
import { KmsError, RecordingKeyStore } from "recording-keystore";
import type { TestReport } from "recording-keystore/administration";
import { AwsKmsProvider } from "recording-keystore/aws";
import { recordingKeyPolicy } from "recording-keystore/key-policy";
import { FileKeyPairStore } from "recording-keystore/stores/file";
import { InMemoryKms } from "recording-keystore/testing";
import { bytes, describeWav, milliseconds, Narrator, short } from "./narrator.js";

const organization = { id: "northwind-energy", account: "111122223333", region: "eu-central-1" };
const service = { account: "444455556666", role: "arn:aws:iam::444455556666:role/recorder" };
const kmsKeyAliasArn = `arn:aws:kms:${organization.region}:${organization.account}:alias/recordings`;

/** The organization's key policy: its own account administers the key, the recording service may use it for its recordings. */
const keyPolicy = recordingKeyPolicy({
  accountId: organization.account,
  grants: [{ serviceAccountId: service.account, organizationIds: [organization.id] }],
});

const tell = new Narrator();

// The AWS SDK's notice that its versions from 2027 on need Node 22 would stand in the middle of the story.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

/** What this example promises; the first broken promise ends it with exit code 1. */
function check(holds: boolean, promise: string): void {
  if (!holds) throw new Error(`not as promised: ${promise}`);
}

async function sha256(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(stream, hash);
  return hash.digest("hex");
}

async function timed<T>(task: () => Promise<T>): Promise<{ result: T; took: string }> {
  const start = performance.now();
  const result = await task();
  return { result, took: milliseconds(performance.now() - start) };
}

function showReport(report: TestReport): void {
  for (const { name, status, durationMs, detail } of report.steps) {
    const remark = [milliseconds(durationMs), detail].filter(Boolean).join("  ");
    if (status === "failed") tell.failed(name.replaceAll("-", " "), remark);
    else tell.done(name.replaceAll("-", " "), status === "passed" ? remark : `${status}  ${remark}`);
  }
}

async function main(recording: string, folder: string): Promise<void> {
  const size = (await stat(recording)).size;
  const digest = await sha256(createReadStream(recording));

  tell.title("recording-keystore: a recording under the organization's own KMS key");
  tell.fact(
    "Recording",
    `${basename(recording)}, ${[bytes(size), await wavDescription(recording, size)].filter(Boolean).join(", ")}`,
  );
  tell.fact("SHA-256", short(digest));
  tell.fact("Organization", organization.id);
  tell.fact("KMS key", kmsKeyAliasArn);

  // The organization's side: its AWS account, with a KMS key behind an alias.
  const aws = new InMemoryKms();
  aws.createKey({
    accountId: organization.account,
    region: organization.region,
    policy: keyPolicy,
    alias: "alias/recordings",
  });

  // The recording service's side, in an AWS account of its own.
  const recorder = aws.addPrincipal({ arn: service.role, identityPolicy: "administrator" });
  const keyStore = new RecordingKeyStore({
    organizationId: organization.id,
    homeRegion: organization.region,
    kms: new AwsKmsProvider({ client: (region) => new KMSClient(aws.clientConfig(region, recorder)) }),
    store: new FileKeyPairStore({ directory: join(folder, "key-pairs"), hostDirectory: join(folder, "host") }),
    trustedKmsKeys: [organization.account],
  });

  async function encrypt(recordingId: string) {
    const callsBefore = aws.journal.count();
    const { result, took } = await timed(async () => {
      const encrypted = await keyStore.encryptRecording(createReadStream(recording), { recordingId });
      await pipeline(encrypted.body, createWriteStream(join(folder, `${recordingId}.rec`)));
      return { ...encrypted, ...(await encrypted.done) };
    });
    const calls = aws.journal.count() - callsBefore;
    check(calls === 0, "encryption needs no KMS call");
    tell.done(
      `${recordingId}: ${bytes(result.plaintextSize)} became ${bytes(result.encryptedSize)}`,
      `${took}, ${calls} KMS calls`,
    );
    return result;
  }

  async function opensUnchanged(recordingId: string): Promise<void> {
    const { result: found, took } = await timed(async () => {
      const decrypted = await keyStore.decryptRecording(createReadStream(join(folder, `${recordingId}.rec`)), {
        recordingId,
      });
      return sha256(decrypted.body);
    });
    check(found === digest, `${recordingId} decrypts to the same bytes`);
    tell.done(`${recordingId}: SHA-256 ${short(found)}, the same`, took);
  }

  tell.chapter("Test the organization's KMS key; nothing is saved");
  const report = await keyStore.test({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
  showReport(report);
  check(report.ok, "the KMS key passes its test");
  check((await keyStore.keyPairs()).items.length === 0, "a test saves nothing");

  tell.chapter("Configure: test again, save, make the first key pair");
  const { keyPair: first } = await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
  tell.done(`key pair ${first.sequence} (${first.spec}) is active`, first.keyPairId);

  tell.chapter("Encrypt the recording into a file, as a stream");
  const before = await encrypt("call-1");
  check(!before.usedLastKnownKey && before.confirmation === "confirmed", "KMS has vouched for the key");

  tell.chapter("KMS goes away");
  aws.faults.outage();
  await keyStore.confirm(); // The background does this every 15 minutes; nobody should have to wait for it here.
  const troubled = await keyStore.status();
  if (!troubled.trouble || !troubled.usedLastKnownKey) throw new Error("not as promised: status() shows the outage");
  const { error: cause, since } = troubled.trouble;
  tell.trouble("KMS was asked to confirm the public key again", cause.code);
  tell.note(cause.message);

  tell.chapter("Recordings go on being encrypted");
  const during = await encrypt("call-2");
  check(
    during.usedLastKnownKey && during.keyPairId === first.keyPairId,
    "the last confirmed key is used, and the result says so",
  );
  tell.fact("usedLastKnownKey", `${during.usedLastKnownKey}, since ${since.toISOString()}`);

  tell.chapter("Decryption has to wait, and says why");
  const refusal = await keyStore
    .decryptRecording(createReadStream(join(folder, "call-1.rec")), { recordingId: "call-1" })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  if (!(refusal instanceof KmsError))
    throw new Error("not as promised: decryption fails with a KmsError", { cause: refusal });
  check(refusal.code === "ERR_KMS_UNAVAILABLE" && refusal.retryable, "the error is a retryable ERR_KMS_UNAVAILABLE");
  const diagnosis = (await keyStore.status()).lastKmsError?.diagnosis;
  if (!diagnosis) throw new Error("not as promised: status() has a diagnosis");
  tell.trouble(`call-1: ${refusal.code}, ${refusal.kind}`, "retryable");
  tell.note([diagnosis.summary, ...diagnosis.whatToDo].join("\n"));

  tell.chapter("KMS comes back");
  aws.faults.heal();
  await opensUnchanged("call-1");
  await opensUnchanged("call-2");
  await keyStore.confirm(); // Again, what the background does; encryption itself never waits for it.
  const healed = await keyStore.status();
  check(!healed.usedLastKnownKey && healed.confirmation === "confirmed", "it heals by itself");
  tell.fact("usedLastKnownKey", String(healed.usedLastKnownKey));

  tell.chapter("Change the key");
  const second = await keyStore.rotate();
  tell.done(`key pair ${second.sequence} (${second.spec}) is active`, second.keyPairId);
  const after = await encrypt("call-3");
  check(after.keyPairId === second.keyPairId && !after.usedLastKnownKey, "new recordings use the new key pair");
  keyStore.forgetPrivateKeys();
  for (const recordingId of ["call-1", "call-3"]) await opensUnchanged(recordingId);

  tell.chapter("The history of key pairs");
  const { items } = await keyStore.keyPairs();
  check(items.length === 2, "the history has both key pairs");
  tell.table([
    ["#", "made", "spec", "change", "under", ""],
    ...items.map((pair) => [
      String(pair.sequence),
      pair.createdAt.toISOString(),
      pair.spec,
      pair.periodicKeyChange,
      pair.kmsKeyArn.replace(/^.*:key/, "key"),
      pair.active ? "active" : "",
    ]),
  ]);

  await keyStore.close();
}

async function wavDescription(file: string, size: number): Promise<string | undefined> {
  const handle = await open(file);
  const head = Buffer.alloc(44);
  const { bytesRead } = await handle.read(head);
  await handle.close();
  return describeWav(head.subarray(0, bytesRead), size);
}

// npm runs this in the package's folder; the visitor named the file from theirs.
const [named] = process.argv.slice(2);
const recording =
  named === undefined
    ? fileURLToPath(new URL("assets/call.wav", import.meta.url))
    : resolve(process.env["INIT_CWD"] ?? ".", named);
const folder = await mkdtemp(join(tmpdir(), "recording-keystore-"));
try {
  await main(recording, folder);
  tell.close("Everything came out as promised.", true);
} catch (error) {
  tell.close(error instanceof Error ? error.message : String(error), false);
  if (error instanceof Error && error.cause) console.error(error.cause);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
