import { createPrivateKey, createPublicKey, createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import type { DataKeyPairs } from "./data-key-pairs.js";
import type { KeySpec } from "./key-specs.js";

/** Length of an HMAC key, by its spec, in bytes. */
export const hmacLengths: Partial<Record<KeySpec, number>> = { HMAC_224: 28, HMAC_256: 32, HMAC_384: 48, HMAC_512: 64 };

/**
 * Secret of an HMAC key, or private key of an asymmetric one. It never rotates. Key pairs are made when one is first needed,
 * since an RSA pair takes seconds and most keys of a test are never used.
 */
export class KeySecret {
  readonly #spec: KeySpec;
  readonly #region: string;
  #key: KeyObject | undefined;
  #making: Promise<KeyObject> | undefined;

  /** @param key - imported material. Default: made by the service */
  constructor(spec: KeySpec, region: string, key?: KeyObject) {
    this.#spec = spec;
    this.#region = region;
    const length = hmacLengths[spec];
    this.#key = key ?? (length === undefined ? undefined : createSecretKey(randomBytes(length)));
  }

  /** The secret or private key. @throws AwsError for a spec that this version of Node does not make */
  async key(pairs: DataKeyPairs): Promise<KeyObject> {
    if (this.#key) return this.#key;
    this.#making ??= this.#make(pairs).finally(() => (this.#making = undefined));
    return this.#making;
  }

  async publicKey(pairs: DataKeyPairs): Promise<KeyObject> {
    return createPublicKey(await this.key(pairs));
  }

  /** What has been made so far, for a snapshot: PKCS#8, or the bytes of an HMAC key. */
  exported(): Buffer | undefined {
    if (!this.#key) return undefined;
    return this.#key.type === "secret" ? this.#key.export() : this.#key.export({ format: "der", type: "pkcs8" });
  }

  /** The opposite of `exported`. */
  static imported(spec: KeySpec, region: string, bytes: Buffer | undefined): KeySecret {
    return new KeySecret(spec, region, bytes && keyOf(spec, bytes));
  }

  async #make(pairs: DataKeyPairs): Promise<KeyObject> {
    const { privateKey } = await pairs.make(this.#spec, this.#region);
    this.#key = keyOf(this.#spec, privateKey);
    return this.#key;
  }
}

function keyOf(spec: KeySpec, bytes: Buffer): KeyObject {
  return spec.startsWith("HMAC_")
    ? createSecretKey(bytes)
    : createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
}
