// Compiled as an ES module and as CommonJS, with and without `lib: dom`, against the declarations in the tarball.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { CreateTableCommand, DynamoDBClient, UpdateContinuousBackupsCommand } from "@aws-sdk/client-dynamodb";
import { CreateGrantCommand, KMSClient, RevokeGrantCommand } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { Pool } from "pg";
import {
  bytesSource,
  KmsError,
  RecordingKeyStore,
  RecordingKeyStoreError,
  type ConfigureResult,
  type EncryptedRecording,
  type ErrorCode,
  type RecordingBody,
  type RecordingInput,
} from "recording-keystore";
import type { KeyStoreStatus, StoreHeadReport, TestReport } from "recording-keystore/administration";
import { AwsKmsProvider } from "recording-keystore/aws";
import {
  DynamoDbKeyPairStore,
  dynamoDbPolicy,
  dynamoDbTable,
  type DynamoDbPolicy,
} from "recording-keystore/stores/dynamodb";
import { recordingKmsGrants, recordingKmsKey, revokeRecordingKmsGrant } from "recording-keystore/key-policy";
import { PublicBundleEncryptor, type PublicBundleHealth } from "recording-keystore/encrypt-only";
import {
  FileAuditLog,
  PostgresAuditLog,
  verifyAuditLog,
  type AuditEvent,
  type AuditSink,
} from "recording-keystore/audit";
import { instrument } from "recording-keystore/opentelemetry";
import { FileKeyPairStore } from "recording-keystore/stores/file";
import { S3KeyPairStore, s3Policy, type S3Policy } from "recording-keystore/stores/s3";
import { PostgresKeyPairStore, type PostgresPool } from "recording-keystore/stores/postgres";
import {
  answerRecordingRequest,
  recordingResponse,
  sendRecording,
  type SeekableRecording,
} from "recording-keystore/http";
import { migrateRecordings, type MigrationReport, type MigrationRule } from "recording-keystore/migration";
import { fileSource, httpSource, type FetchLike } from "recording-keystore/sources";
import { s3Source } from "recording-keystore/sources/s3";
import { InMemoryKms, MemoryKeyPairStore, TestClock } from "recording-keystore/testing";

const account = "000000000000";
const homeRegion = "us-east-1";
const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${account}:alias/recordings`;

async function main(): Promise<void> {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  kms.createKey({ alias: "alias/recordings" });
  const audited: AuditEvent[] = [];
  const auditSink: AuditSink = { append: async (event) => void audited.push(event) };
  const keyStore = new RecordingKeyStore({
    auditSink,
    organizationId: "org-4711",
    homeRegion,
    kms: new AwsKmsProvider({ client: (region) => new KMSClient(kms.clientConfig(region)) }),
    store: new MemoryKeyPairStore(),
    trustedKmsKeys: [account],
    contextKeyName: ["organization", "earlier"],
    fleetSecret: [new Uint8Array(32).fill(1), Buffer.alloc(40, 2)],
    storeTimeout: 5_000,
    clock,
  });
  const uninstrument: () => void = instrument(keyStore, { organizationIds: true });
  const secret = new Uint8Array(32);
  const sinks: AuditSink[] = [
    new FileAuditLog({ directory: "unused", secret }),
    new PostgresAuditLog({ pool: new Pool(), secret }),
  ];
  assert.deepEqual([sinks.length, typeof verifyAuditLog], [2, "function"]);
  // A provider also takes one client, and a file store is a store.
  new AwsKmsProvider({ client: new KMSClient({ region: homeRegion }) });
  const pool: PostgresPool = new Pool();
  const stores: ConstructorParameters<typeof RecordingKeyStore>[0]["store"][] = [
    new FileKeyPairStore({ directory: "unused" }),
    new PostgresKeyPairStore({ pool, schema: "unused" }),
    new DynamoDbKeyPairStore({ client: new DynamoDBClient({ region: homeRegion }), tableName: "recording-keys" }),
    new S3KeyPairStore({ client: new S3Client({ region: homeRegion }), bucket: "recording-keys" }),
  ];
  assert.equal(stores.length, 4);
  // What describes the table is what the SDK takes.
  const { createTable, pointInTimeRecovery } = dynamoDbTable({ tableName: "recording-keys" });
  assert.equal(new CreateTableCommand(createTable).input.TableName, "recording-keys");
  assert.equal(new UpdateContinuousBackupsCommand(pointInTimeRecovery).input.TableName, "recording-keys");
  const tableArn = `arn:aws:dynamodb:${homeRegion}:${account}:table/recording-keys`;
  const policy: DynamoDbPolicy = dynamoDbPolicy({ tableArn, role: "encrypt-only" });
  assert.equal(policy.Statement.length, 2);
  const bucketPolicy: S3Policy = s3Policy({ bucket: "recording-keys", role: "worker" });
  assert.equal(bucketPolicy.Statement.length, 5);
  const kmsKeyArn = `arn:aws:kms:${homeRegion}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
  const access = { servicePrincipalArns: [`arn:aws:iam::${account}:role/recordings`], organizationIds: ["org-4711"] };
  const commands = recordingKmsGrants({ kmsKeyArn, ...access }).map(
    ({ createGrant }) => new CreateGrantCommand(createGrant),
  );
  const { revokeGrant } = revokeRecordingKmsGrant({ kmsKeyArn, grantId: "1" });
  assert.deepEqual([commands.length, new RevokeGrantCommand(revokeGrant).input.GrantId], [1, "1"]);
  const key = recordingKmsKey({ accountId: account, aliasName: "alias/recordings", grants: [access] });
  assert.equal(key.cloudFormation.Resources.RecordingsKey.Properties.KeyPolicy.Statement.length, 3);

  const report: TestReport = await keyStore.test({
    kmsKeyAliasArn,
    periodicKeyChange: "monthly",
    keyPairSpec: "X25519",
  });
  assert.ok(report.ok);
  await keyStore.configure({ kmsKeyAliasArn });
  const {
    changed,
    keyPair,
    report: unneeded,
  }: ConfigureResult = await keyStore.configure({ kmsKeyAliasArn }, { onlyIfChanged: true });
  assert.deepEqual([changed, keyPair.reason, unneeded], [false, "configure", undefined]);
  const head: StoreHeadReport = await keyStore.acceptRestoredStore({ dryRun: true });
  assert.deepEqual([head.believed.sequence, head.vouchedBy, head.done], [1, "kms", false]);
  assert.equal((await keyStore.replaceUntrustedHead({ dryRun: true })).done, false);

  // What goes in decides what comes out, also for the compiler.
  const audio = new Uint8Array([1, 2, 3]);
  const inBytes = await keyStore.encryptRecording(audio, { recordingId: "bytes" });
  const bytes: Uint8Array = inBytes.body;
  const opened: Uint8Array = (await keyStore.decryptRecording(bytes, { recordingId: "bytes" })).body;
  assert.deepEqual([...opened], [1, 2, 3]);

  const bundle: string = await keyStore.exportPublicBundle({ validFor: 3_600_000 });
  const rule: MigrationRule = ({ path }) => ({ recordingId: path });
  const migrated: Promise<MigrationReport> = migrateRecordings(keyStore, { directory: "no such folder", rule });
  await assert.rejects(migrated, { code: "ERR_FILE_IO" });
  const encryptor = new PublicBundleEncryptor({ organizationId: "org-4711", bundle, clock });
  const health: PublicBundleHealth = encryptor.health();
  const byBundle: Readable = (await encryptor.encryptRecording(Readable.from([audio]), { recordingId: "bundle" })).body;
  byBundle.destroy();
  const ofBundle: Uint8Array = (await encryptor.encryptRecording(audio, { recordingId: "bundle" })).body;
  assert.deepEqual([...(await keyStore.decryptRecording(ofBundle, { recordingId: "bundle" })).body], [1, 2, 3]);
  assert.equal(health.expired, false);

  const inReadable = await keyStore.encryptRecording(Readable.from([audio]), {
    recordingId: "readable",
    asset: "screen",
  });
  const readable: Readable = inReadable.body;
  readable.resume();
  const { plaintextSize, encryptedSize } = await inReadable.done;
  assert.ok(plaintextSize === 3 && encryptedSize > 3);

  const web = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(audio);
      controller.close();
    },
  });
  const inWeb = await keyStore.encryptRecording(web, { recordingId: "web" });
  const parts: Uint8Array[] = [];
  for await (const part of inWeb.body) parts.push(part);
  assert.ok(parts.length > 0);

  async function* generate(): AsyncGenerator<Uint8Array> {
    yield audio;
  }
  const inIterable = await keyStore.encryptRecording(generate(), {
    recordingId: "iterable",
    signal: new AbortController().signal,
  });
  await inIterable.body.cancel();

  // What comes out goes into Response and Blob, and Node's own takes it too, whatever `lib` says.
  const forWeb = await keyStore.decryptRecording(bytes, { recordingId: "bytes" });
  assert.equal((await new Response(forWeb.body).arrayBuffer()).byteLength, 3);
  assert.equal(new Blob([forWeb.body]).size, 3);
  async function* encryptedBytes(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const asStream = await keyStore.decryptRecording(encryptedBytes(), { recordingId: "bytes" });
  assert.equal((await new Response(asStream.body).arrayBuffer()).byteLength, 3);
  const forNode = await keyStore.decryptRecording(encryptedBytes(), { recordingId: "bytes" });
  Readable.fromWeb(forNode.body).resume();
  await forNode.done;
  const annotated: EncryptedRecording<Uint8Array> = inBytes;
  assert.equal(annotated.body.length, inBytes.body.length);

  // An input whose kind the compiler does not know may give a stream, and then has `done`.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const unknownKind: any = Readable.from([bytes]);
  const ofAny = await keyStore.decryptRecording(unknownKind, { recordingId: "bytes" });
  const eitherBody: RecordingBody = ofAny.body;
  (eitherBody as Readable).resume();
  assert.equal((await ofAny.done)?.plaintextSize, 3);
  const eitherKind: RecordingInput = bytes;
  const ofEither = await keyStore.encryptRecording(eitherKind as RecordingInput, { recordingId: "either" });
  assert.equal(ofEither.done, undefined);
  const salvagedAny = await keyStore.salvageRecording(bytes as typeof unknownKind, { recordingId: "bytes" });
  assert.deepEqual([salvagedAny.complete, salvagedAny.done], [true, undefined]);

  // Open recordings, sources and servers fit together; the global fetch and a real S3Client fit their sources.
  const fetchLike: FetchLike = fetch;
  await assert.rejects(httpSource("http://127.0.0.1:1/", { fetch: fetchLike, attempts: 1, deadline: 5_000 }), {
    code: "ERR_SOURCE_UNAVAILABLE",
  });
  await assert.rejects(s3Source({ client: new S3Client({ region: homeRegion }), bucket: "", key: "k" }), {
    code: "ERR_INVALID_INPUT",
  });
  await assert.rejects(fileSource("missing"), { code: "ERR_SOURCE_NOT_FOUND" });
  const open = await keyStore.openRecording(bytesSource(bytes), { recordingId: "bytes" });
  const seekable: SeekableRecording = open;
  const response: Response = await recordingResponse(
    seekable,
    new Request("http://recordings/", { headers: { range: "bytes=1-" } }),
    { contentType: "audio/wav" },
  );
  assert.deepEqual([response.status, ...new Uint8Array(await response.arrayBuffer())], [206, 2, 3]);
  createServer((request, answer) => void sendRecording(open, request, answer, { contentType: "audio/wav" }));
  assert.equal(typeof answerRecordingRequest, "function");
  assert.equal((await new Response(open.stream()).arrayBuffer()).byteLength, 3);
  assert.equal(new Blob([await open.read(0, 3)]).size, 3);
  await open.close();

  const status: KeyStoreStatus = await keyStore.status();
  assert.equal(status.usedLastKnownKey, false);
  const unsubscribe: () => void = keyStore.on("keyAtRisk", ({ since, error }) => assert.ok(since > 0 && error.code));
  unsubscribe();
  try {
    await keyStore.decryptRecording(bytes, { recordingId: "another" });
    assert.fail("a recording opened under another name");
  } catch (error) {
    assert.ok(error instanceof RecordingKeyStoreError && !(error instanceof KmsError));
    const code: ErrorCode = error.code;
    assert.equal(code, "ERR_RECORDING_MISMATCH");
  }
  assert.equal(audited.at(-1)?.status_code, "ERR_RECORDING_MISMATCH");
  uninstrument();
  await keyStore.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
