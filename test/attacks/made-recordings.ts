import { randomBytes } from "node:crypto";
import { encodeFields } from "../../src/format/fields.js";
import { encodeBirthRecord, type BirthRecord } from "../../src/format/birth-record.js";
import { encryptionContextOf } from "../../src/key-pairs/key-pair.js";
import { importUnwrappingKey, importWrappingKey } from "../../src/format/data-key-wrapping.js";
import { encryptBytes } from "../../src/recording/bytes.js";
import { encodeHeader, type HeaderRecipient } from "../../src/format/header.js";
import { fieldsOf, magicLength, number } from "../format/birth-record-bytes.js";
import { audio, organizationId, type World } from "./world.js";

const segmentLength = 4_096;

/** A whole recording of the attacker's, for whatever recipients: anybody who has a public key can make one. */
export async function recordingFor(recipientsOf: (dataKey: Buffer) => readonly HeaderRecipient[]): Promise<Buffer> {
  const dataKey = randomBytes(32);
  const names = { organizationId, recordingId: "r", asset: "main", confirmation: "confirmed" } as const;
  const header = encodeHeader({ ...names, recipients: recipientsOf(Buffer.from(dataKey)), segmentLength });
  return encryptBytes(audio, { header, dataKey, segmentLength });
}

/** A birth record as it should be, of a pair that the store does not have. */
export const soundBirth = (kmsKeyAliasArn: string): BirthRecord => ({
  organizationId,
  keyPairId: "not-in-the-store",
  sequence: 1,
  spec: "X25519",
  createdAt: Date.UTC(2026, 0, 1),
  kmsKeyAliasArn,
  periodicKeyChange: "yearly",
  scheduleAnchor: Date.UTC(2026, 0, 1),
  contextKeyName: "genesys-cloud-organization-id",
  purpose: "key-pair",
  reason: "configure",
});

/** Numbers of the fields that the tests change (`docs/FORMAT.md`). */
const tags = { sequence: 3, spec: 4, kmsKeyAliasArn: 7, contextKeyName: 10, purpose: 11 } as const;
type Changed = Partial<Record<Exclude<keyof typeof tags, "sequence">, string> & { sequence: number }>;

/** The bytes of a birth record with some fields changed, whether a reader takes them or not. */
export function birthBytesOf(birth: BirthRecord, changed: Changed = {}): Buffer {
  const encoded = encodeBirthRecord(birth);
  const values = new Map<number, Buffer>();
  for (const [name, value] of Object.entries(changed)) {
    values.set(tags[name as keyof Changed], typeof value === "number" ? number(value) : Buffer.from(value));
  }
  const fields = fieldsOf(encoded).map((field) => ({ ...field, value: values.get(field.tag) ?? field.value }));
  return Buffer.concat([encoded.subarray(0, magicLength), encodeFields(fields)]);
}

/**
 * A recording that carries its own key, under a birth record of these bytes. The private half is sealed by the
 * organization's KMS key, as far as that lets the service seal it.
 */
export async function selfContained(parts: World, birthRecord: Buffer, birth: BirthRecord): Promise<Buffer> {
  const { provider, kmsKeyAliasArn, keyArn } = parts;
  const privateKey = randomBytes(32);
  const { publicKey } = importUnwrappingKey("X25519", privateKey);
  const encryptionContext = encryptionContextOf({ birth, birthRecord }, "private-key");
  const sealed = await provider()
    .encrypt({ keyId: kmsKeyAliasArn, plaintext: privateKey, encryptionContext })
    .catch(() => ({ ciphertext: randomBytes(150) }));
  const wrap = (dataKey: Buffer) => importWrappingKey("X25519", publicKey).wrap(dataKey);
  const own = { kmsKeyArn: keyArn, wrappedPrivateKey: sealed.ciphertext };
  return recordingFor((dataKey) => [{ birthRecord, wrappedDataKey: wrap(dataKey), ...own }]);
}
