import { expect } from "vitest";
import { day } from "../world.js";
import { externalKey, forever, imported, importing } from "./import-requests.js";
import { bytes, oneProblem, type Row } from "./row.js";

const Plaintext = Buffer.from("a recording's key");

export const importedKeyRows: readonly Row[] = [
  {
    operation: "GetParametersForImport",
    situation: "of a key whose material is AWS's",
    source: "recorded",
    input: (w) => ({ KeyId: w.key, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" }),
    error: ["UnsupportedOperationException", "{KeyId} origin is AWS_KMS which is not valid for this operation."],
  },
  {
    operation: "GetParametersForImport",
    situation: "for a signing key",
    source: "recorded",
    input: async (_w, send) => ({
      KeyId: await externalKey(send, "ECC_NIST_P256", "SIGN_VERIFY"),
      WrappingAlgorithm: "RSAES_OAEP_SHA_256",
      WrappingKeySpec: "RSA_2048",
    }),
    output: (output, w, { KeyId }) =>
      expect(output).toMatchObject({
        KeyId,
        ImportToken: expect.anything() as unknown,
        PublicKey: expect.anything() as unknown,
        ...(output["ParametersValidTo"] instanceof Date && { ParametersValidTo: new Date(w.clock.now() + day) }),
      }),
  },
  {
    operation: "GetParametersForImport",
    situation: "by the padding that the service no longer takes",
    source: "documented",
    input: async (_w, send) => ({
      KeyId: await externalKey(send),
      WrappingAlgorithm: "RSAES_PKCS1_V1_5",
      WrappingKeySpec: "RSA_2048",
    }),
    error: ["UnsupportedOperationException", "Wrapping algorithm {WrappingAlgorithm} is not supported."],
  },
  {
    operation: "GetParametersForImport",
    situation: "by an algorithm that there is not",
    source: "documented",
    input: async (_w, send) => ({
      KeyId: await externalKey(send),
      WrappingAlgorithm: "ROT13",
      WrappingKeySpec: "RSA_2048",
    }),
    error: [
      "ValidationException",
      oneProblem(
        "Value 'ROT13' at 'wrappingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, RSA_AES_KEY_WRAP_SHA_256, SM2PKE]",
      ),
    ],
  },
  {
    operation: "Encrypt",
    situation: "before material has been imported",
    source: "recorded",
    input: async (_w, send) => ({ KeyId: await externalKey(send), Plaintext }),
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "Encrypt",
    situation: "after imported material was deleted",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      await send("DeleteImportedKeyMaterial", { KeyId });
      return { KeyId, Plaintext };
    },
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "Encrypt",
    situation: "after imported material has expired",
    source: "documented",
    input: async (w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId, { input: { ValidTo: new Date(w.clock.now() + day) } });
      w.clock.advance(day);
      return { KeyId, Plaintext };
    },
    error: ["KMSInvalidStateException", "{KeyId} is pending import."],
  },
  {
    operation: "ImportKeyMaterial",
    situation: "by a token of a day ago",
    source: "documented",
    input: async (w, send) => {
      const request = await importing(send, await externalKey(send));
      w.clock.advance(day);
      return request;
    },
    error: ["ExpiredImportTokenException"],
  },
  {
    operation: "DeleteImportedKeyMaterial",
    situation: "of a key whose material is AWS's",
    source: "recorded",
    input: (w) => ({ KeyId: w.key }),
    error: ["UnsupportedOperationException", "{KeyId} origin is AWS_KMS which is not valid for this operation."],
  },
  {
    operation: "DeleteImportedKeyMaterial",
    situation: "of the current material, whose id stays",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      return { KeyId };
    },
    output: async (output, _w, { KeyId }, send) => {
      const { KeyMetadata } = await send("DescribeKey", { KeyId });
      expect(KeyMetadata).toMatchObject({ KeyState: "PendingImport", CurrentKeyMaterialId: output["KeyMaterialId"] });
      expect(KeyMetadata).not.toHaveProperty("ExpirationModel");
    },
  },
  {
    operation: "RotateKeyOnDemand",
    situation: "of imported material, when none waits",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      return { KeyId };
    },
    error: ["KMSInvalidStateException", "No available key material pending rotation for the key: {KeyId}."],
  },
  {
    operation: "RotateKeyOnDemand",
    situation: "to imported material that waits, after which both decrypt",
    source: "recorded",
    input: async (_w, send) => {
      const KeyId = await externalKey(send);
      await imported(send, KeyId);
      const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext });
      await imported(send, KeyId, { input: { ...forever, ImportType: "NEW_KEY_MATERIAL" } });
      return { KeyId, CiphertextBlob };
    },
    output: async (_output, _w, { KeyId, CiphertextBlob }, send) => {
      expect(bytes((await send("Decrypt", { CiphertextBlob }))["Plaintext"])).toEqual(Plaintext);
      const { Rotations } = await send("ListKeyRotations", { KeyId, IncludeKeyMaterial: "ALL_KEY_MATERIAL" });
      expect(Rotations).toMatchObject([
        { KeyMaterialState: "NON_CURRENT", ImportState: "IMPORTED" },
        { KeyMaterialState: "CURRENT", ImportState: "IMPORTED", RotationType: "ON_DEMAND" },
      ]);
    },
  },
];
