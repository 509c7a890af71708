import { generateKeyPairSync } from "node:crypto";
import { pipeline } from "node:stream/promises";
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawRsaKeyringNode,
} from "@aws-crypto/client-node";
import { bytesShown } from "../shared/measure.js";
import { bytesStream, collected, discard, plaintextSource } from "../shared/streams.js";
import type { Peer } from "./peer.js";

const { encryptStream, decryptStream, decryptUnsignedMessageStream } = buildClient(
  CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
);
const encryptionContext = { "genesys-cloud-organization-id": "org-1" };

function keyring(): InstanceType<typeof RawRsaKeyringNode> {
  const rsaKey = generateKeyPairSync("rsa", {
    modulusLength: 2_048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return new RawRsaKeyringNode({ keyName: "key", keyNamespace: "bench", rsaKey, oaepHash: "sha256" });
}

/** As it comes: signed, in frames of 4 KiB. The keyring makes no difference to a long stream. */
export function awsDefault(): Peer {
  const materials = keyring();
  const encrypted = (bytes: number) => plaintextSource(bytes).pipe(encryptStream(materials, { encryptionContext }));
  return {
    name: "AWS Encryption SDK, default settings",
    encrypt: (bytes) => pipeline(encrypted(bytes), discard()),
    decryption: async (bytes) => {
      const body = await collected(encrypted(bytes));
      return () => pipeline(bytesStream(body), decryptStream(materials), discard());
    },
  };
}

/** As fast as it can be set to: no signature, raw keys, cached materials. In frames as long as the chunks that come in. */
export function awsFastest(chunkSize: number): Peer {
  const materials = new NodeCachingMaterialsManager({
    backingMaterials: keyring(),
    cache: getLocalCryptographicMaterialsCache(10),
    maxAge: 3_600_000,
  });
  const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  const encrypted = (bytes: number) =>
    plaintextSource(bytes, chunkSize).pipe(
      encryptStream(materials, { encryptionContext, suiteId, frameLength: chunkSize, plaintextLength: bytes }),
    );
  return {
    name: `AWS Encryption SDK, fastest settings, frames of ${bytesShown(chunkSize)}`,
    encrypt: (bytes) => pipeline(encrypted(bytes), discard()),
    decryption: async (bytes) => {
      const body = await collected(encrypted(bytes));
      return () => pipeline(bytesStream(body, chunkSize), decryptUnsignedMessageStream(materials), discard());
    },
  };
}
