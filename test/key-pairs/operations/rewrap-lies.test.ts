import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { altered } from "../altered-kms.js";
import { lying, moved, type Lies, rewrapKeyPairs } from "./rewrap-worlds.js";
import { accountId, homeRegion } from "../world.js";

describe("a KMS that lies", () => {
  const notPrivateHalf = /^key pair .+: what KMS unwrapped is not the private half of its public key$/;
  const another = /^key pair .+: KMS unwrapped another private key than the one it was given$/;
  it.each<[what: string, lies: (newKeyArn: string) => Lies, message: RegExp]>([
    [
      "unwraps another private half",
      (arn) => ({ decrypt: (own, { keyId }) => (keyId === arn ? own : randomBytes(32)) }),
      notPrivateHalf,
    ],
    [
      "unwraps what is none",
      (arn) => ({ decrypt: (own, { keyId }) => (keyId === arn ? own : randomBytes(31)) }),
      notPrivateHalf,
    ],
    [
      "gives another one back",
      () => ({ decrypt: (own, { encrypted }) => (encrypted ? randomBytes(32) : own) }),
      another,
    ],
    [
      "gives a shorter one back",
      () => ({ decrypt: (own, { encrypted }) => (encrypted ? own.subarray(0, 31) : own) }),
      another,
    ],
  ])("and %s has nothing stored, and is reported", async (_, lies, message) => {
    const { provider, worker, earlier, active, stored } = await moved();
    const { kms, allWiped } = lying(provider, lies(active.wrapping.kmsKeyArn));
    const report = await rewrapKeyPairs(worker({ kms }).context, active);
    const error = { code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringMatching(message) };
    expect(report).toMatchObject({
      complete: false,
      failed: [{ keyPairId: earlier.birth.keyPairId, sequence: 1, error }],
    });
    expect({ stored: await stored(), wiped: allWiped() }).toEqual({ stored: [], wiped: true });
  });

  it("and wraps under another key has nothing stored, and ends it", async () => {
    const { provider, worker, active, stored } = await moved();
    const foreign = `arn:aws:kms:${homeRegion}:${accountId}:key/another`;
    const { kms, allWiped } = lying(provider, { encrypt: () => foreign });
    const { kmsKeyArn: keyId } = active.wrapping;
    const message = `KMS answered Encrypt for ${keyId} with the key "${foreign}"`;
    const error = { kind: "unexpected-answer", operation: "Encrypt", keyId, message };
    await expect(rewrapKeyPairs(worker({ kms }).context, active)).rejects.toMatchObject(error);
    expect({ stored: await stored(), wiped: allWiped() }).toEqual({ stored: [], wiped: true });
  });

  it("and wraps into no bytes has nothing stored, and ends it", async () => {
    const { provider, worker, active, stored } = await moved();
    const kms = altered(provider, {
      encrypt: async (...args) => ({ ...(await provider.encrypt(...args)), ciphertext: "text" as never }),
    });
    const { kmsKeyArn: keyId } = active.wrapping;
    const error = { kind: "unexpected-answer", operation: "Encrypt", keyId };
    await expect(rewrapKeyPairs(worker({ kms }).context, active)).rejects.toMatchObject(error);
    expect(await stored()).toEqual([]);
  });
});
