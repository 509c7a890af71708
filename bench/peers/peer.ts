/** Another way to encrypt a stream, at its best or as it comes. */
export interface Peer {
  readonly name: string;
  /** So many bytes of plaintext out of memory, encrypted and thrown away. */
  encrypt(bytes: number): unknown;
  /** Encrypts so many bytes; the task decrypts them and throws the plaintext away. */
  decryption(bytes: number): Promise<() => unknown>;
}
