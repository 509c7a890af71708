import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  inspectRecording,
  RecordingKeyStoreError,
  type RecordingKeyStore,
  type RecordingReader,
} from "recording-keystore";
import { fileSource, type FileSource } from "recording-keystore/sources";

/** What the list shows of a recording. Stands for a row of the service's own database. */
export interface RecordingEntry {
  readonly id: string;
  readonly name: string;
  readonly contentType: string;
  readonly madeAt: string;
  /** Length in seconds, where the browser could tell. */
  readonly seconds: number | undefined;
  /** Bytes before and after encryption. */
  readonly size: number;
  readonly encryptedSize: number;
  readonly keyPairId: string;
  readonly keyPairNumber: number | undefined;
  readonly usedLastKnownKey: boolean;
  readonly keyAtRisk: boolean;
}

export type AboutRecording = Pick<RecordingEntry, "name" | "contentType" | "seconds">;

/** Largest recording, in bytes. */
export const maxRecordingSize = 500_000_000;

/** A recording is larger than `maxRecordingSize`. */
export class TooLargeError extends Error {}

/** Whoever sent a recording has left before its end. */
export class BrokenOffError extends Error {}

/** A recording has ended before its first byte. */
export class EmptyError extends Error {}

/** Encrypted recordings in a folder, one per organization. Plaintext never reaches the disk. */
export class Recordings {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Encrypts a recording as it streams in. A small segment loses little of a live call in a crash.
   * @param about - asked for once the stream has ended, when the length of a live call is known
   */
  async add(
    organizationId: string,
    keyStore: RecordingKeyStore,
    plain: Readable,
    about: () => AboutRecording,
  ): Promise<RecordingEntry> {
    const id = randomUUID();
    const madeAt = new Date().toISOString();
    const folder = join(this.#folder, organizationId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const part = join(folder, `${id}.part`);
    try {
      const limited = plain.pipe(atMost(maxRecordingSize));
      plain.once("error", (cause) => limited.destroy(new BrokenOffError(undefined, { cause })));
      limited.once("error", () => plain.destroy());
      const encrypted = await keyStore.encryptRecording(limited, { recordingId: id, segmentSize: 16_384 });
      await pipeline(encrypted.body, createWriteStream(part, { flags: "wx", mode: 0o600 }));
      const { plaintextSize, encryptedSize } = await encrypted.done;
      if (plaintextSize === 0) throw new EmptyError();
      const { keyPairId, usedLastKnownKey, keyAtRisk } = encrypted;
      const { wrappedDataKeys } = await inspectRecording(createReadStream(part));
      const entry: RecordingEntry = {
        ...{ id, ...about(), madeAt, size: plaintextSize, encryptedSize, keyPairId, usedLastKnownKey, keyAtRisk },
        keyPairNumber: wrappedDataKeys[0]?.keyPair?.sequence,
      };
      await rename(part, this.#encrypted(organizationId, id));
      await writeFile(this.#about(organizationId, id), JSON.stringify(entry), { mode: 0o600 });
      return entry;
    } catch (error) {
      plain.destroy();
      await rm(part, { force: true });
      throw error;
    }
  }

  /** Newest first. */
  async list(organizationId: string): Promise<RecordingEntry[]> {
    const names = await readdir(join(this.#folder, organizationId)).catch(() => []);
    const ids = names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -".json".length));
    const entries = await Promise.all(ids.map((id) => this.find(organizationId, id)));
    return entries.filter((entry) => entry !== undefined).sort((a, b) => b.madeAt.localeCompare(a.madeAt));
  }

  async find(organizationId: string, id: string): Promise<RecordingEntry | undefined> {
    if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
    const text = await readFile(this.#about(organizationId, id), "utf8").catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as RecordingEntry);
  }

  /** Opens a recording for reading anywhere in it. Close both when done. @throws what `openRecording` throws */
  async open(
    organizationId: string,
    keyStore: RecordingKeyStore,
    id: string,
    actor: string,
  ): Promise<{ reader: RecordingReader; source: FileSource }> {
    const source = await fileSource(this.#encrypted(organizationId, id));
    try {
      return { reader: await keyStore.openRecording(source, { recordingId: id, actor }), source };
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** What keeps a recording from being played now; `undefined` if nothing does. */
  async obstacle(
    organizationId: string,
    keyStore: RecordingKeyStore,
    id: string,
    actor: string,
  ): Promise<RecordingKeyStoreError | undefined> {
    try {
      const { reader, source } = await this.open(organizationId, keyStore, id, actor);
      await reader.close();
      await source.close();
      return undefined;
    } catch (error) {
      if (error instanceof RecordingKeyStoreError) return error;
      throw error;
    }
  }

  async remove(organizationId: string, id: string): Promise<void> {
    await rm(this.#about(organizationId, id), { force: true });
    await rm(this.#encrypted(organizationId, id), { force: true });
  }

  #encrypted(organizationId: string, id: string): string {
    return join(this.#folder, organizationId, `${id}.rec`);
  }

  #about(organizationId: string, id: string): string {
    return join(this.#folder, organizationId, `${id}.json`);
  }
}

function atMost(limit: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limit) done(new TooLargeError());
      else done(null, chunk);
    },
  });
}
