import { Injectable, Module, type OnModuleDestroy } from "@nestjs/common";
import { InvalidInputError, RecordingKeyStore, RecordingKeyStoreRegistry } from "recording-keystore";
import type { TestReport } from "recording-keystore/administration";
import { FileAuditLog } from "recording-keystore/audit";
import { AwsKmsProvider } from "recording-keystore/aws";
import { sendRecording } from "recording-keystore/http";
import { checkKeyPolicy, recordingKeyPolicy } from "recording-keystore/key-policy";
import { kmsFailureKinds } from "recording-keystore/kms";
import { instrument } from "recording-keystore/opentelemetry";
import { fileSource } from "recording-keystore/sources";
import { s3Source } from "recording-keystore/sources/s3";
import { checkOrganizationId, type KeyPairStore } from "recording-keystore/stores";
import { FileKeyPairStore } from "recording-keystore/stores/file";
import { createTestKeyStore, MemoryKeyPairStore } from "recording-keystore/testing";

/** What a Nest 10 service does with the package: every entry resolves with `moduleResolution: node`. */
@Injectable()
export class RecordingsService implements OnModuleDestroy {
  readonly entries = [
    RecordingKeyStore,
    RecordingKeyStoreRegistry,
    AwsKmsProvider,
    FileAuditLog,
    instrument,
    FileKeyPairStore,
    sendRecording,
    checkKeyPolicy,
    recordingKeyPolicy,
    fileSource,
    s3Source,
    checkOrganizationId,
  ];
  readonly kinds: readonly string[] = kmsFailureKinds;
  readonly store: KeyPairStore = new MemoryKeyPairStore();
  private keyStore?: RecordingKeyStore;

  async start(): Promise<TestReport> {
    const { keyStore, kmsKeyAliasArn } = await createTestKeyStore({ store: this.store });
    this.keyStore = keyStore;
    return keyStore.test({ kmsKeyAliasArn });
  }

  async roundTrip(audio: Uint8Array): Promise<Uint8Array> {
    const { body } = await this.keyStore!.encryptRecording(audio, { recordingId: "r" });
    return (await this.keyStore!.decryptRecording(body, { recordingId: "r" })).body;
  }

  badInput(): unknown {
    try {
      return new RecordingKeyStore({} as never);
    } catch (error) {
      return error instanceof InvalidInputError ? error.field : error;
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.keyStore?.close();
  }
}

@Module({ providers: [RecordingsService], exports: [RecordingsService] })
export class RecordingsModule {}
