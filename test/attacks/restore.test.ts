import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeBirthRecord, type BirthRecord } from "../../src/format/birth-record.js";
import { importWrappingKey } from "../../src/format/data-key-wrapping.js";
import { birthBytesOf, recordingFor, selfContained, soundBirth } from "./made-recordings.js";
import { everyPair, world, type World } from "./world.js";

const garbage = () => randomBytes(184);

/** A recording of the attacker's that carries whatever private half, to a public key of the attacker's. */
async function made({ writer }: World, birthRecord: Uint8Array, kmsKeyArn: string, wrappedPrivateKey: Uint8Array) {
  const wrappingKey = importWrappingKey("X25519", writer.newPublicKey());
  return recordingFor((dataKey) => [
    { birthRecord, wrappedDataKey: wrappingKey.wrap(dataKey), kmsKeyArn, wrappedPrivateKey },
  ]);
}

const next = async ({ writer }: World, birth: Partial<BirthRecord> = {}) => (await writer.forge(birth)).birthRecord;

/** Recordings for which an operator is to put an attacker's pair into the store. */
const attacks: Readonly<Record<string, (parts: World) => Promise<Uint8Array>>> = {
  "a private half of garbage, under the real KMS key": async (parts) =>
    made(parts, await next(parts), parts.keyArn, garbage()),
  "the private half of a genuine pair, under a birth record of the attacker's": async (parts) =>
    made(parts, await next(parts), parts.keyArn, (await parts.writer.active()).wrapping.ciphertext),
  "a pair under the attacker's own KMS key": async (parts) => {
    const { birthRecord, wrapping } = await parts.writer.forgeUnder(parts.attackersAliasArn);
    return made(parts, birthRecord, wrapping.kmsKeyArn, wrapping.ciphertext);
  },
  "a pair under the attacker's own KMS key, by the real alias's name": async (parts) => {
    const { wrapping } = await parts.writer.forgeUnder(parts.attackersAliasArn);
    return made(parts, await next(parts), wrapping.kmsKeyArn, wrapping.ciphertext);
  },
  "a pair made for a test": async (parts) => {
    const birth = soundBirth(parts.kmsKeyAliasArn);
    return selfContained(parts, birthBytesOf(birth, { purpose: "test" }), birth);
  },
  "another context key name": async (parts) =>
    made(
      parts,
      encodeBirthRecord({ ...soundBirth(parts.kmsKeyAliasArn), contextKeyName: "of-mine" }),
      parts.keyArn,
      garbage(),
    ),
};

describe("restoreKeyPairs() puts nothing back from a recording with", () => {
  for (const [name, attack] of Object.entries(attacks)) {
    it(name, async () => {
      const parts = await world();
      const recording = await attack(parts);
      const before = await everyPair(parts.store);
      const report = await parts.host().restoreKeyPairs([recording]);
      expect(report).toMatchObject({ recordings: 1, restored: [], already: [] });
      expect(report.failed.length + report.unusable.length).toBe(1);
      expect(await everyPair(parts.store)).toEqual(before);
    });
  }
});
