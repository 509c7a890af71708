import sodium from "sodium-native";
import { chunk } from "../shared/streams.js";
import type { Peer } from "./peer.js";

/** Plaintext of a message, bytes: as long as our segments. */
const message = 65_536;
const overhead = sodium.crypto_secretstream_xchacha20poly1305_ABYTES;

/** libsodium's secretstream at its best: a bare loop without streams, into one buffer that is used again and again. */
export function sodiumNative(): Peer {
  const key = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES);
  sodium.crypto_secretstream_xchacha20poly1305_keygen(key);
  const state = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES);

  const push = (bytes: number, outputAt: (offset: number) => Buffer): Buffer => {
    const header = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES);
    sodium.crypto_secretstream_xchacha20poly1305_init_push(state, header, key);
    for (let offset = 0; offset < bytes; offset += message) {
      const start = offset % chunk.length;
      const last = offset + message >= bytes;
      const tag = last
        ? sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        : sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
      sodium.crypto_secretstream_xchacha20poly1305_push(
        state,
        outputAt(offset),
        chunk.subarray(start, start + message),
        null,
        tag,
      );
    }
    return header;
  };

  return {
    name: "sodium-native, secretstream in a bare loop",
    encrypt: (bytes) => {
      const output = Buffer.allocUnsafeSlow(message + overhead);
      push(bytes, () => output);
    },
    decryption: async (bytes) => {
      const stride = message + overhead;
      const body = Buffer.allocUnsafeSlow((bytes / message) * stride);
      const at = (offset: number) => body.subarray((offset / message) * stride, (offset / message + 1) * stride);
      const header = push(bytes, at);
      const output = Buffer.allocUnsafeSlow(message);
      const tag = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_TAGBYTES);
      return () => {
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, header, key);
        for (let offset = 0; offset < bytes; offset += message)
          sodium.crypto_secretstream_xchacha20poly1305_pull(state, output, tag, at(offset), null);
      };
    },
  };
}
