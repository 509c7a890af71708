import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { encryptBody, decryptBody, type RecordingInput } from "../../src/recording/bodies.js";
import type { RecordingKeyStoreError } from "../../src/errors.js";
import { encodeHeader } from "../../src/format/header.js";
import { encodeMetadata, metadataSectionLength } from "../../src/format/metadata.js";
import type { DataKeyLease } from "../../src/format/data-key-lease.js";

export const dataKey = randomBytes(32);
export const segmentLength = 4_096;
export const capacity = segmentLength - 32;

export function header(more: Partial<Parameters<typeof encodeHeader>[0]> = {}): Buffer {
  return encodeHeader({
    organizationId: "org-1",
    recordingId: "recording-1",
    asset: "main",
    recipients: [{ birthRecord: Buffer.from("birth"), wrappedDataKey: randomBytes(80) }],
    segmentLength,
    confirmation: "confirmed",
    ...more,
  });
}

/** Lets everything that waits for nothing but its turn come to rest: a step may have to wait for the event loop's next turns. */
export async function atRest(): Promise<void> {
  for (let turns = 0; turns < 8; turns += 1) await turn();
}

export interface LeaseState {
  released: number;
  /** How often a further term was asked for. */
  renewed: number;
  valid: boolean;
  /** What custody says to a further term. */
  renew?: () => Promise<void>;
  /** Ends the term, as custody does; with an error: keys were forgotten. */
  end?: (error?: RecordingKeyStoreError) => void;
  /** What was handed out; all zeros once wiped. */
  handedOut?: Buffer[];
}

/** A lease that counts what is done with it. */
export function lease(state: LeaseState = { released: 0, renewed: 0, valid: true }): DataKeyLease {
  let first = true;
  return {
    dataKey: async () => {
      if (!first) {
        state.renewed += 1;
        await state.renew?.();
      }
      first = false;
      const handedOut = Buffer.from(dataKey);
      (state.handedOut ??= []).push(handedOut);
      return handedOut;
    },
    valid: () => state.valid,
    onEnd: (ended) => void (state.end = ended),
    release: () => void (state.released += 1),
  };
}

/** @param metadata - sealed between header and payload; the header must tell its length */
export async function encrypt(
  plaintext: Uint8Array,
  headerBytes = header(),
  metadata?: Record<string, unknown>,
): Promise<Buffer> {
  const { body } = await encryptBody(plaintext, {
    header: headerBytes,
    dataKey: Buffer.from(dataKey),
    segmentLength,
    metadata: metadata && encodeMetadata(metadata),
  });
  return Buffer.from(body);
}

/** A recording with metadata, and where its parts begin. */
export async function encryptWithMetadata(
  plaintext: Uint8Array,
  metadata: Record<string, unknown>,
  more: Parameters<typeof header>[0] = {},
) {
  const metadataLength = metadataSectionLength(encodeMetadata(metadata));
  const headerBytes = header({ ...more, metadataLength });
  const encrypted = await encrypt(plaintext, headerBytes, metadata);
  const payload = headerBytes.length + metadataLength;
  return {
    encrypted,
    headerBytes,
    section: encrypted.subarray(headerBytes.length, payload),
    payload,
    start: payload + 74,
  };
}

export async function decrypt(encrypted: RecordingInput): Promise<Buffer> {
  const { body } = await decryptBody(encrypted, { open: async () => lease() });
  return collect(body);
}

export async function collect(body: Uint8Array | AsyncIterable<unknown>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(Buffer.from(part as Uint8Array));
  return Buffer.concat(parts);
}

/** What a decryption releases before it ends, and how it ends. */
export async function released(
  encrypted: Uint8Array,
  chunkSize = 1_000,
): Promise<{ plaintext: Buffer; error: { code?: string } | undefined }> {
  const parts: Buffer[] = [];
  try {
    const { body } = await decryptBody(Readable.from(chunks(encrypted, chunkSize)), { open: async () => lease() });
    for await (const part of body) parts.push(Buffer.from(part as Uint8Array));
    return { plaintext: Buffer.concat(parts), error: undefined };
  } catch (error) {
    return { plaintext: Buffer.concat(parts), error: error as { code?: string } };
  }
}

export function* chunks(bytes: Uint8Array, size: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield Buffer.from(bytes.subarray(offset, offset + size));
}
