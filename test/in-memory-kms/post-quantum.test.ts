import { DecapsulateCommand, EncapsulateCommand, KMSClient, SignCommand, VerifyCommand } from "@aws-sdk/client-kms";
import * as crypto from "node:crypto";
import { describe, expect, it } from "vitest";
import { InMemoryKms, type KmsSnapshot } from "../../src/in-memory-kms/index.js";
import { home } from "./world.js";

/** Whether this version of Node makes pairs of a type. */
function nodeMakes(type: string): boolean {
  try {
    crypto.generateKeyPairSync(type as "x25519");
    return true;
  } catch {
    return false;
  }
}
const nodeEncapsulates = "encapsulate" in crypto;

describe("post-quantum keys", () => {
  const kms = new InMemoryKms();
  const client = new KMSClient(kms.clientConfig(home));
  const Message = Buffer.from("message");
  const refused = (call: Promise<unknown>) =>
    expect(call).rejects.toMatchObject({ name: "UnsupportedOperationException" });

  it.each(["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"] as const)("%s signs where Node can", async (keySpec) => {
    const request = {
      KeyId: kms.createKey({ keySpec, keyUsage: "SIGN_VERIFY" }),
      Message,
      SigningAlgorithm: "ML_DSA_SHAKE_256",
    } as const;
    const signing = client.send(new SignCommand(request));
    if (!nodeMakes(keySpec.toLowerCase().replaceAll("_", "-"))) return refused(signing);
    const { Signature } = await signing;
    await expect(client.send(new VerifyCommand({ ...request, Signature }))).resolves.toMatchObject({
      SignatureValid: true,
    });
    const kept = new InMemoryKms();
    kept.restore(JSON.parse(JSON.stringify(kms.snapshot())) as KmsSnapshot);
    const later = new KMSClient(kept.clientConfig(home));
    await expect(later.send(new VerifyCommand({ ...request, Signature }))).resolves.toMatchObject({
      SignatureValid: true,
    });
    const other = { ...request, Signature, Message: Buffer.from("other") };
    return expect(client.send(new VerifyCommand(other))).rejects.toMatchObject({
      name: "KMSInvalidSignatureException",
    });
  });

  it.each(["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"] as const)("%s encapsulates where Node can", async (keySpec) => {
    const key = {
      KeyId: kms.createKey({ keySpec, keyUsage: "ENCAPSULATE_DECAPSULATE" }),
      EncapsulationAlgorithm: "ML_KEM",
    } as const;
    const encapsulating = client.send(new EncapsulateCommand(key));
    if (!nodeEncapsulates) return refused(encapsulating);
    const { SharedSecret, SharedSecretCiphertextBlob } = await encapsulating;
    const decapsulate = new DecapsulateCommand({ ...key, SharedSecretCiphertextBlob });
    const opened = await client.send(decapsulate);
    expect(Buffer.from(opened.SharedSecret ?? [])).toEqual(Buffer.from(SharedSecret ?? []));
    const kept = new InMemoryKms();
    kept.restore(JSON.parse(JSON.stringify(kms.snapshot())) as KmsSnapshot);
    const openedLater = await new KMSClient(kept.clientConfig(home)).send(decapsulate);
    return expect(Buffer.from(openedLater.SharedSecret ?? [])).toEqual(Buffer.from(SharedSecret ?? []));
  });
});
