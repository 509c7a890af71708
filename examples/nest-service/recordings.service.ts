import { mkdir, open, rename, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from "@nestjs/common";
import type { RecordingKeyStore } from "recording-keystore";
import { sendRecording } from "recording-keystore/http";
import { fileSource } from "recording-keystore/sources";

export interface RecordingsOptions {
  readonly keyStore: RecordingKeyStore;
  /** Where encrypted recordings lie. */
  readonly folder: string;
}
export const recordingsOptions = Symbol("RecordingsOptions");

@Injectable()
export class RecordingsService implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(recordingsOptions) private readonly options: RecordingsOptions) {}

  async onModuleInit(): Promise<void> {
    await mkdir(this.options.folder, { recursive: true });
  }

  /** Nest has answered what was under way. `close()` lets open streams end, and wipes the keys in memory. */
  async onApplicationShutdown(): Promise<void> {
    await this.options.keyStore.close();
  }

  /** Encrypts as it streams in. The recording is there whole, or not at all. */
  async record(id: string, audio: Readable) {
    const unfinished = `${this.#fileOf(id)}.${randomUUID()}.unfinished`;
    const encrypted = await this.options.keyStore.encryptRecording(audio, { recordingId: id });
    try {
      const file = await open(unfinished, "wx");
      await pipeline(encrypted.body, file.createWriteStream({ flush: true }));
      await rename(unfinished, this.#fileOf(id));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    const { plaintextSize } = await encrypted.done;
    return { id, size: plaintextSize, usedLastKnownKey: encrypted.usedLastKnownKey };
  }

  /** Opens a recording, and gives what answers a player's request for any range of it. */
  async open(id: string): Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>> {
    const source = await fileSource(this.#fileOf(id));
    const recording = await this.options.keyStore
      .openRecording(source, { recordingId: id })
      .catch(async (error: unknown) => {
        await source.close();
        throw error;
      });
    const options = { contentType: "audio/wav", closeWhenDone: true, onDone: () => source.close() };
    return (request, response) => sendRecording(recording, request, response, options);
  }

  /** Encrypting goes on while KMS is away, so the service is up; what an operator should look at stands beside that. */
  async health() {
    const { usedLastKnownKey, keyAtRisk, confirmation, lastKmsError } = await this.options.keyStore.status();
    return { recording: true, usedLastKnownKey, keyAtRisk, confirmation, kms: lastKmsError?.diagnosis.summary ?? "ok" };
  }

  /** Ids come from clients: as hexadecimal they are no paths. */
  #fileOf(id: string): string {
    return join(this.options.folder, `${Buffer.from(id).toString("hex")}.rksrec`);
  }
}
