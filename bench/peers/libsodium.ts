import sodium from "libsodium-wrappers";
import { chunk } from "../shared/streams.js";
import type { Peer } from "./peer.js";

/** Plaintext of a message, bytes: as long as our segments. */
const message = 65_536;

/** libsodium's secretstream, compiled to WebAssembly, in a bare loop without streams. */
export async function libsodiumWrappers(): Promise<Peer> {
  await sodium.ready;
  const key = sodium.crypto_secretstream_xchacha20poly1305_keygen();
  const push = (bytes: number, take: (encrypted: Uint8Array) => void): Uint8Array => {
    const { state, header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key);
    for (let offset = 0; offset < bytes; offset += message) {
      const start = offset % chunk.length;
      take(
        sodium.crypto_secretstream_xchacha20poly1305_push(
          state,
          chunk.subarray(start, start + message),
          null,
          sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
        ),
      );
    }
    return header;
  };
  return {
    name: "libsodium-wrappers, secretstream in a bare loop",
    encrypt: (bytes) => void push(bytes, () => undefined),
    decryption: async (bytes) => {
      const encrypted: Uint8Array[] = [];
      const header = push(bytes, (piece) => encrypted.push(piece));
      return () => {
        const state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
        for (const piece of encrypted)
          if (!sodium.crypto_secretstream_xchacha20poly1305_pull(state, piece, null)) throw new Error("not authentic");
      };
    },
  };
}
