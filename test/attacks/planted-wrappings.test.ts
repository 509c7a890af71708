import { describe, expect, it } from "vitest";
import { birthRecordDigest } from "../../src/format/birth-record.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { moved } from "./flood.js";
import { garbage, wrappingIdOf, type StoreWriter } from "./store-writer.js";
import { newKeyArn } from "./toolbox.js";
import { audio, opens } from "./world.js";

/** Well-formed, and nothing in it. */
async function plantWrapping(writer: StoreWriter, keyPairId: string, kmsKeyArn: string): Promise<void> {
  const digest = birthRecordDigest((await writer.copyOf(keyPairId)).birthRecord);
  const wrapping = { kmsKeyArn, ciphertext: garbage() };
  await writer.beside(keyPairId, wrappingIdOf(kmsKeyArn), encodeDocument("wrapping", { digest, wrapping }));
}

/** Moved on twice: of the first pair the genuine wrapping is under the second KMS key, among 500 planted ones. */
async function crowded() {
  const parts = await moved();
  await parts.moveOn();
  const [first] = parts.keyPairIds;
  for (let index = 0; index < 500; index += 1) await plantWrapping(parts.writer, first!, newKeyArn());
  return parts;
}

describe("wrappings planted beside a pair", () => {
  it("do not crowd out the genuine one, on a host that has recorded", async () => {
    const { owner, past } = await crowded();
    expect(await opens(owner, past[0]!.body, audio, "past-0")).toBe(true);
  });

  it("do not crowd out the genuine one, on a fresh host that only decrypts", async () => {
    const { host, past } = await crowded();
    expect(await opens(host(), past[0]!.body, audio, "past-0")).toBe(true);
  });

  it("do not crowd out the genuine one, on a restarted host that only decrypts", async () => {
    const { host, lastConfirmed, past } = await crowded();
    expect(await opens(host({ lastConfirmed }), past[0]!.body, audio, "past-0")).toBe(true);
  });

  it("do not keep the owner from rewrapping", async () => {
    const { owner } = await crowded();
    expect(await owner.rewrapKeyPairs()).toMatchObject({ complete: true, failed: [] });
  });

  it("cost a bounded number of KMS calls for each decryption", async () => {
    const { host, kms, past } = await crowded();
    const fresh = host();
    const before = kms.journal.count();
    await fresh.decryptRecording(past[0]!.body, { recordingId: "past-0" }).catch(() => undefined);
    expect(kms.journal.count() - before).toBeLessThan(20);
  });
});
