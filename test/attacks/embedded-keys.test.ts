import { describe, expect, it } from "vitest";
import { importWrappingKey } from "../../src/format/data-key-wrapping.js";
import { birthBytesOf, recordingFor, selfContained, soundBirth } from "./made-recordings.js";
import { audio, opens, world } from "./world.js";

/** Birth records that no store would give, and what of them is wrong. */
const wrong = {
  "of purpose test": { change: { purpose: "test" }, code: "ERR_KEY_PAIR_UNTRUSTED" },
  "of sequence 0": { change: { sequence: 0 }, code: "ERR_FORMAT_INVALID" },
  "of sequence 7 without a previous one": { change: { sequence: 7 }, code: "ERR_FORMAT_INVALID" },
  "with an empty alias": { change: { kmsKeyAliasArn: "" }, code: "ERR_FORMAT_INVALID" },
  "with the library's own context key": {
    change: { contextKeyName: "recording-keystore:purpose" },
    code: "ERR_FORMAT_INVALID",
  },
} as const;

describe("a recording that carries its own key", () => {
  it("opens where the store lacks its pair and everything of it is sound", async () => {
    const parts = await world();
    const { host, keyArn, kmsKeyAliasArn } = parts;
    const birth = soundBirth(kmsKeyAliasArn);
    const body = await selfContained(parts, birthBytesOf(birth), birth);
    expect(await opens(host({ embeddedKeys: [keyArn] }), body, audio)).toBe(true);
  });

  for (const [name, { change, code }] of Object.entries(wrong)) {
    it(`is refused before KMS is asked, with a birth record ${name}`, async () => {
      const parts = await world();
      const { host, keyArn, kmsKeyAliasArn, kms } = parts;
      const birth = soundBirth(kmsKeyAliasArn);
      const body = await selfContained(parts, birthBytesOf(birth, change), birth);
      const before = kms.journal.count();
      await expect(opens(host({ embeddedKeys: [keyArn] }), body, audio)).rejects.toMatchObject({ code });
      expect(kms.journal.count()).toBe(before);
    });
  }
});

describe("a recording with a wrapped data key of a later version before one that opens", () => {
  async function both() {
    const parts = await world();
    const { writer, host, keyPairIds, kmsKeyAliasArn } = parts;
    const active = await writer.copyOf(keyPairIds.at(-1)!);
    const wrappingKey = importWrappingKey("X25519", active.publicKey);
    const future = birthBytesOf(soundBirth(kmsKeyAliasArn), { spec: "X25519_ML_KEM_768" });
    const body = await recordingFor((dataKey) => [
      { birthRecord: future, wrappedDataKey: Buffer.alloc(80) },
      { birthRecord: active.birthRecord, wrappedDataKey: wrappingKey.wrap(dataKey) },
    ]);
    return { ...parts, owner: host(), body };
  }

  it("opens by the one that this version knows", async () => {
    const { owner, body } = await both();
    expect(await opens(owner, body, audio)).toBe(true);
  });

  it.each(["outage", "throttling", "accessDenied"] as const)("is retryable while KMS says %s", async (fault) => {
    const { owner, body, kms } = await both();
    kms.faults[fault]();
    await expect(opens(owner, body, audio)).rejects.toMatchObject({ retryable: true });
    kms.faults.heal();
    expect(await opens(owner, body, audio)).toBe(true);
  });
});
