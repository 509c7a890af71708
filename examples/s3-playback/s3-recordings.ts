import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { AbortMultipartUploadCommand, type S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { RecordingKeyStore } from "recording-keystore";
import { httpStatusOf, sendRecording } from "recording-keystore/http";
import { s3Source } from "recording-keystore/sources/s3";

/** Encrypted recordings in a bucket. S3 never sees a byte of the sound. */
export class S3Recordings {
  readonly #keyStore: RecordingKeyStore;
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: { keyStore: RecordingKeyStore; client: S3Client; bucket: string }) {
    this.#keyStore = options.keyStore;
    this.#client = options.client;
    this.#bucket = options.bucket;
  }

  /**
   * Uploads a call while it is recorded. Nobody knows its length yet, so it goes in parts of 5 MiB, of which at most two are in
   * memory; the object appears whole, when the last part is there, or not at all. An abort leaves no parts behind.
   */
  async record(recordingId: string, audio: Readable, signal?: AbortSignal): Promise<{ plaintextSize: number }> {
    const encrypted = await this.#keyStore.encryptRecording(audio, { recordingId, ...(signal && { signal }) });
    const upload = new Upload({
      client: this.#client,
      params: {
        Bucket: this.#bucket,
        Key: keyOf(recordingId),
        Body: encrypted.body,
        ContentType: "application/vnd.recording-keystore",
        IfNoneMatch: "*", // a recording is made once; a second one of this id fails here, and replaces nothing
      },
      queueSize: 2,
      partSize: 5 << 20,
    });
    const abort = () => void upload.abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await upload.done();
    } catch (error) {
      await this.#removeParts(recordingId, upload.uploadId);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
      encrypted.body.destroy(); // ends the recorder too where the upload failed
    }
    return encrypted.done;
  }

  /** `Upload` leaves the parts, which cost money, where S3 refuses to complete them: a recording of this id may be there already. */
  async #removeParts(recordingId: string, UploadId: string | undefined): Promise<void> {
    if (UploadId === undefined) return;
    const parts = { Bucket: this.#bucket, Key: keyOf(recordingId), UploadId };
    await this.#client.send(new AbortMultipartUploadCommand(parts)).catch(() => undefined); // it may have none left
  }

  /**
   * Answers a player's request for any range. Every part is read from the object as it was at the opening: its ETag goes with each
   * `GetObject`, so that an object that is replaced in between breaks the answer off, and never mixes two recordings.
   */
  async play(recordingId: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Decide first whether this user may hear it.
    try {
      const source = await s3Source({ client: this.#client, bucket: this.#bucket, key: keyOf(recordingId) });
      const recording = await this.#keyStore.openRecording(source, { recordingId });
      await sendRecording(recording, request, response, { contentType: "audio/wav", closeWhenDone: true });
    } catch (error) {
      // Nothing of the error itself is for a client: 404, 503 where trying again may help, otherwise 500.
      if (!response.headersSent) response.writeHead(httpStatusOf(error)).end();
    }
  }
}

const keyOf = (recordingId: string) => `recordings/${encodeURIComponent(recordingId)}.rksrec`;
