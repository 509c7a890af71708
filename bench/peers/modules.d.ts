/*
 * The little that the bench uses of its peers. Declared here, so that type checking and linting of the repository are the
 * same whether the peers are installed or not.
 */
declare module "@aws-crypto/client-node" {
  import type { Duplex } from "node:stream";

  interface Materials {
    readonly __materials: never;
  }
  interface StreamOptions {
    encryptionContext?: Record<string, string>;
    frameLength?: number;
    plaintextLength?: number;
    suiteId?: AlgorithmSuiteIdentifier;
  }
  export enum CommitmentPolicy {
    REQUIRE_ENCRYPT_REQUIRE_DECRYPT = "REQUIRE_ENCRYPT_REQUIRE_DECRYPT",
  }
  export enum AlgorithmSuiteIdentifier {
    ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY = 1_144,
  }
  export function buildClient(policy: CommitmentPolicy): {
    encryptStream: (materials: Materials, options: StreamOptions) => Duplex;
    decryptStream: (materials: Materials) => Duplex;
    decryptUnsignedMessageStream: (materials: Materials) => Duplex;
  };
  export const RawRsaKeyringNode: new (input: {
    keyName: string;
    keyNamespace: string;
    rsaKey: { publicKey: string; privateKey: string };
    oaepHash: "sha256";
  }) => Materials;
  export const NodeCachingMaterialsManager: new (input: {
    backingMaterials: Materials;
    cache: object;
    maxAge: number;
  }) => Materials;
  export function getLocalCryptographicMaterialsCache(capacity: number): object;
}

declare module "sodium-native" {
  const sodium: {
    crypto_secretstream_xchacha20poly1305_KEYBYTES: number;
    crypto_secretstream_xchacha20poly1305_STATEBYTES: number;
    crypto_secretstream_xchacha20poly1305_HEADERBYTES: number;
    crypto_secretstream_xchacha20poly1305_ABYTES: number;
    crypto_secretstream_xchacha20poly1305_TAGBYTES: number;
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE: number;
    crypto_secretstream_xchacha20poly1305_TAG_FINAL: number;
    crypto_secretstream_xchacha20poly1305_keygen(key: Buffer): void;
    crypto_secretstream_xchacha20poly1305_init_push(state: Buffer, header: Buffer, key: Buffer): void;
    crypto_secretstream_xchacha20poly1305_push(
      state: Buffer,
      ciphertext: Buffer,
      message: Buffer,
      aad: Buffer | null,
      tag: number,
    ): number;
    crypto_secretstream_xchacha20poly1305_init_pull(state: Buffer, header: Buffer, key: Buffer): void;
    crypto_secretstream_xchacha20poly1305_pull(
      state: Buffer,
      message: Buffer,
      tag: Buffer,
      ciphertext: Buffer,
      aad: Buffer | null,
    ): number;
  };
  export default sodium;
}

declare module "age-encryption" {
  import type { ReadableStream } from "node:stream/web";

  export function generateIdentity(): Promise<string>;
  export function identityToRecipient(identity: string): Promise<string>;
  export class Encrypter {
    addRecipient(recipient: string): void;
    encrypt(plaintext: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>>;
  }
  export class Decrypter {
    addIdentity(identity: string): void;
    decrypt(ciphertext: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>>;
  }
}
