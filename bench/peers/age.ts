import { ReadableStream } from "node:stream/web";
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { bytesStream, collected, plaintextSource } from "../shared/streams.js";
import type { Peer } from "./peer.js";

/** age in TypeScript; web streams are its only ones. */
export async function age(): Promise<Peer> {
  const identity = await generateIdentity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const encrypted = (bytes: number) => encrypter.encrypt(ReadableStream.from<Uint8Array>(plaintextSource(bytes)));
  const consume = async (stream: ReadableStream<Uint8Array>) => {
    for await (const _ of stream);
  };
  return {
    name: "age-encryption",
    encrypt: async (bytes) => consume(await encrypted(bytes)),
    decryption: async (bytes) => {
      const body = await collected(await encrypted(bytes));
      return async () => consume(await decrypter.decrypt(ReadableStream.from<Uint8Array>(bytesStream(body))));
    },
  };
}
