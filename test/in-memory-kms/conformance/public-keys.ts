import { createPublicKey } from "node:crypto";
import { expect } from "vitest";
import { bytes, keyOf, type Row } from "./row.js";

export const publicKeyRows: readonly Row[] = [
  {
    operation: "GetPublicKey",
    situation: "of a signing key",
    source: "documented",
    input: (w) => ({ KeyId: keyOf(w, "ECC_NIST_P384", "SIGN_VERIFY") }),
    output: (output, _world, { KeyId }) => {
      const { PublicKey, ...rest } = output;
      expect(rest).toEqual({
        KeyId,
        KeySpec: "ECC_NIST_P384",
        CustomerMasterKeySpec: "ECC_NIST_P384",
        KeyUsage: "SIGN_VERIFY",
        SigningAlgorithms: ["ECDSA_SHA_384"],
      });
      const key = createPublicKey({ key: bytes(PublicKey), format: "der", type: "spki" });
      expect(key.asymmetricKeyDetails).toEqual({ namedCurve: "secp384r1" });
    },
  },
  {
    operation: "GetPublicKey",
    situation: "of a symmetric key",
    source: "documented",
    input: (w) => ({ KeyId: w.key }),
    error: ["UnsupportedOperationException"],
  },
  {
    operation: "GetPublicKey",
    situation: "of an HMAC key",
    source: "documented",
    input: (w) => ({ KeyId: keyOf(w, "HMAC_256", "GENERATE_VERIFY_MAC") }),
    error: ["UnsupportedOperationException"],
  },
  {
    operation: "GetPublicKey",
    situation: "of a replica, which has its primary's",
    source: "documented",
    region: "eu-west-1",
    input: (w) => {
      const primary = w.kms.createKey({
        ...w.inAccount,
        multiRegion: true,
        keySpec: "ECC_NIST_P256",
        keyUsage: "SIGN_VERIFY",
      });
      return { KeyId: w.kms.replicateKey(primary, "eu-west-1") };
    },
    output: async (output, _world, { KeyId }, send) => {
      const primary = await send("GetPublicKey", { KeyId: (KeyId as string).replace("eu-west-1", "us-east-1") });
      expect(bytes(output["PublicKey"])).toEqual(bytes(primary["PublicKey"]));
    },
  },
];
