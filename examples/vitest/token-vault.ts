import { DecryptCommand, EncryptCommand, type KMSClient } from "@aws-sdk/client-kms";

/** Keeps customers' tokens, as your service has something of its own: each is encrypted for one customer. */
export class TokenVault {
  readonly #kms: KMSClient;
  readonly #keyArn: string;

  constructor(kms: KMSClient, keyArn: string) {
    this.#kms = kms;
    this.#keyArn = keyArn;
  }

  async seal(token: string, customer: string): Promise<Uint8Array> {
    const request = { KeyId: this.#keyArn, Plaintext: Buffer.from(token), EncryptionContext: { customer } };
    const { CiphertextBlob } = await this.#kms.send(new EncryptCommand(request));
    if (!CiphertextBlob) throw new Error("KMS gave no ciphertext");
    return CiphertextBlob;
  }

  async open(sealed: Uint8Array, customer: string): Promise<string> {
    const request = { KeyId: this.#keyArn, CiphertextBlob: sealed, EncryptionContext: { customer } };
    const { Plaintext } = await this.#kms.send(new DecryptCommand(request));
    return Buffer.from(Plaintext ?? []).toString();
  }
}
