/* An Ethereum wallet whose key is in KMS: what it signs, `ethers` ascribes to the key's address. */
import { CreateKeyCommand, GetPublicKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { KMSSigner } from "@rumblefishdev/eth-signer-kms";
import { computeAddress, Transaction, verifyMessage, verifyTypedData } from "ethers";
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { afterEach, describe, it } from "node:test";
import { calls, heal, inject } from "./server.mjs";

const kms = new KMSClient();

async function wallet() {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec: "ECC_SECG_P256K1", KeyUsage: "SIGN_VERIFY" }));
  return { keyId: KeyMetadata.Arn, signer: await KMSSigner.create(null, KeyMetadata.Arn, kms) };
}

afterEach(heal);

describe("an Ethereum wallet", () => {
  it("has the address of the key's point", async () => {
    const { keyId, signer } = await wallet();
    const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: keyId }));
    const { x, y } = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" }).export({
      format: "jwk",
    });
    const point = Buffer.concat([Buffer.from([4]), ...[x, y].map((part) => Buffer.from(part, "base64url"))]);
    assert.equal(await signer.getAddress(), computeAddress(`0x${point.toString("hex")}`));
  });

  it("signs messages, typed data and transactions", async () => {
    const { signer } = await wallet();
    const address = await signer.getAddress();
    // Several: about half of all signatures have an `s` that the wallet has to turn over.
    for (let message = 0; message < 8; message += 1)
      assert.equal(verifyMessage(`message ${message}`, await signer.signMessage(`message ${message}`)), address);
    const typed = [{ name: "Calls", chainId: 1 }, { Call: [{ name: "id", type: "string" }] }, { id: "call-1" }];
    assert.equal(verifyTypedData(...typed, await signer.signTypedData(...typed)), address);
    const to = "0x00000000000000000000000000000000000000aa";
    const transaction = { to, value: 1n, nonce: 0, gasLimit: 21_000n, chainId: 1, type: 2, maxFeePerGas: 1n };
    assert.equal(Transaction.from(await signer.signTransaction(transaction)).from, address);
  });

  it("goes through throttling, and says what KMS has said", async () => {
    const { keyId, signer } = await wallet();
    await inject("throttling", { operation: "Sign", keyId, times: 1 });
    await signer.signMessage("message");
    assert.deepEqual(
      (await calls({ operation: "Sign", keyArn: keyId })).map((call) => call.outcome),
      ["ThrottlingException", "ok"],
    );
    const symmetric = KMSSigner.create(null, "alias/recordings", kms);
    await assert.rejects(symmetric, { name: "UnsupportedOperationException" });
  });
});
