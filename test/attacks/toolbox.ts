import { generateKeyPairSync, randomUUID } from "node:crypto";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import { attestedDigest } from "../../src/key-pairs/key-pair.js";
import { birthRecordDigest } from "../../src/format/birth-record.js";
import { changed, documentOf, garbage, type Copied, type StoreWriter } from "./store-writer.js";
import { customerAccountId, homeRegion, otherOrganizationId, type World } from "./world.js";

/** One move of somebody who may write to the store. */
export interface Attack {
  readonly name: string;
  readonly act: (world: World) => Promise<unknown>;
  /** What it shows is genuine, only old: a host that remembers nothing takes it for the present state. */
  readonly rollback?: true;
  /** The fleet's word is not what it was: it is gone, or about an older pair. */
  readonly word?: "gone" | "old";
  /** What it shows is no pair, or contradicts itself or the service's options: KMS is not asked about it. */
  readonly unasked?: true;
}

type Act = Attack["act"];
const attack = (name: string, act: Act, more: Partial<Attack> = {}): Attack => ({ ...more, name, act });
const unasked = (name: string, act: Act): Attack => ({ name, act, unasked: true });

export const newKeyArn = (region = homeRegion, id: string = randomUUID()) =>
  `arn:aws:kms:${region}:${customerAccountId}:key/${id}`;

const under = async (writer: StoreWriter, kmsKeyArn: string) => writer.plant(await writer.forge({}, kmsKeyArn));
const der = { format: "der", type: "spki" } as const;
const rsaPublicKey = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export(der);

/** What KMS has sealed for a genuine pair, beside something else. */
const sealedOf = ({ attestation, wrapping }: Copied) => ({ attestation, wrapping });

/** A lost pair is put back with another part: the store does not have it any more, and the attacker has a copy. */
export async function putBackWith(parts: World, change: (pair: Copied) => Partial<Copied>): Promise<void> {
  const { writer, host, hostMemory, markedOrphan } = parts;
  const copy = await writer.copyOf(markedOrphan);
  await host({ lastConfirmed: await hostMemory() }).removeOrphanedKeyPairs();
  await writer.plant({ ...copy, ...change(copy) });
}

/** Forged pairs that go on from the active one. */
const forged: readonly Attack[] = [
  attack("forged under the real KMS key", async ({ writer, keyArn }) => under(writer, keyArn)),
  attack("forged under a KMS key that does not exist", async ({ writer }) => under(writer, newKeyArn())),
  unasked("forged in a Region that does not exist", async ({ writer }) => {
    const kmsKeyAliasArn = `arn:aws:kms:eu-nowhere-9:${customerAccountId}:alias/recordings`;
    await writer.plant(await writer.forge({ kmsKeyAliasArn }, newKeyArn("eu-nowhere-9")));
  }),
  unasked("forged under a key of a Region that does not exist, beside the real alias", async ({ writer }) =>
    under(writer, newKeyArn("eu-nowhere-9")),
  ),
  unasked("forged with another context key name", async ({ writer }) =>
    writer.plant(await writer.forge({ contextKeyName: "of-mine" })),
  ),
  unasked("forged under the attacker's own KMS key", async ({ writer, attackersAliasArn }) =>
    writer.plant(await writer.forgeUnder(attackersAliasArn)),
  ),
  unasked("forged under the attacker's own KMS key, beside the real alias", async (parts) => {
    const { writer, attackersAliasArn, kmsKeyAliasArn } = parts;
    const sealed = sealedOf(await writer.forgeUnder(attackersAliasArn));
    await writer.plant({ ...(await writer.forge({ kmsKeyAliasArn })), ...sealed });
  }),
  attack("forged beside what KMS has sealed for the genuine pair", async ({ writer }) => {
    const sealed = sealedOf(await writer.active());
    await writer.plant({ ...(await writer.forge()), ...sealed });
  }),
  attack("forged under the real KMS key in upper case", async ({ writer, keyArn }) =>
    under(
      writer,
      keyArn.replace(/[^/]+$/, (id) => id.toUpperCase()),
    ),
  ),
  attack("forged under what looks like a multi-Region key", async ({ writer }) =>
    under(writer, newKeyArn(homeRegion, "mrk-00000000000040008000000000000000")),
  ),
  attack("forged under what looks like another Region's multi-Region key", async ({ writer }) =>
    under(writer, newKeyArn("us-east-1", "mrk-00000000000040008000000000000000")),
  ),
  unasked("forged with one KMS key for its private half and another for the rest", async ({ writer }) => {
    const pair = await writer.forge();
    await writer.plant({ ...pair, attestation: { ...pair.attestation, kmsKeyArn: newKeyArn() } });
  }),
  unasked("forged with the purpose test", async ({ writer }) => writer.plant(await writer.forge({ purpose: "test" }))),
  attack("forged with the last sequence that there is", async ({ writer }) =>
    writer.plant(await writer.forge({ sequence: Number.MAX_SAFE_INTEGER - 1 })),
  ),
  attack("forged settings: never, RSA, another anchor", async ({ writer }) => {
    const settings = { periodicKeyChange: "never", scheduleAnchor: 8_640_000_000_000_000, spec: "RSA_2048" } as const;
    await writer.plant({ ...(await writer.forge(settings)), publicKey: rsaPublicKey });
  }),
  unasked("forged with a public key of low order", async ({ writer }) =>
    writer.plant({ ...(await writer.forge()), publicKey: Buffer.alloc(32) }),
  ),
];

/** What KMS vouches for, or has once vouched for, in a place where it does not belong. */
const genuine: readonly Attack[] = [
  unasked("another organization's genuine pair", async ({ writer }) => {
    const [stored] = await writer.store.listKeyPairs(otherOrganizationId, { limit: 1 });
    await writer.plant(await writer.copyOf(stored!.keyPairId, otherOrganizationId));
  }),
  attack("an old genuine head", async ({ writer, heads }) => writer.point(heads[0]!), { rollback: true }),
  attack(
    "an old genuine head, and the fleet's word of then",
    async ({ writer, heads, statuses }) => {
      await writer.point(heads[0]!);
      await writer.tell(statuses[0]!);
    },
    { rollback: true, word: "old" },
  ),
  attack("the fleet's word of long ago", async ({ writer, statuses }) => writer.tell(statuses[0]!), { word: "old" }),
  attack("a genuine pair that never was active, unmarked", async ({ writer, unmarkedOrphan }) =>
    writer.pointAt(await writer.copyOf(unmarkedOrphan)),
  ),
  attack("a genuine pair that never was active, marked", async ({ writer, markedOrphan }) =>
    writer.pointAt(await writer.copyOf(markedOrphan)),
  ),
  attack("a lost pair with its private half spoilt", async (parts) =>
    putBackWith(parts, ({ wrapping }) => ({ wrapping: { ...wrapping, ciphertext: garbage() } })),
  ),
  attack("a lost pair with the attacker's public key beside its attestation", async (parts) =>
    putBackWith(parts, () => ({ publicKey: parts.writer.newPublicKey() })),
  ),
];

/** Heads that name nothing that could be used. */
const heads: readonly Attack[] = [
  unasked("an empty head", async ({ writer }) => writer.point(Buffer.alloc(0))),
  unasked("a head of garbage", async ({ writer }) => writer.point(garbage(50))),
  unasked("a head of JSON 31,000 deep", async ({ writer }) =>
    writer.point(Buffer.from("[".repeat(31_000) + "]".repeat(31_000))),
  ),
  unasked("a head of a later version", async ({ writer, heads }) =>
    writer.point(changed(heads.at(-1)!, { version: 2 })),
  ),
  unasked("a head with a critical member that is not known", async ({ writer, heads }) =>
    writer.point(changed(heads.at(-1)!, { critical: ["quorum"], quorum: 2 })),
  ),
  unasked("a pair of a later version", async ({ writer }) => {
    const pair = await writer.forge();
    const { keyPairId, sequence } = pair.birth;
    const document = changed(documentOf(pair), { version: 2 });
    await writer.store.createKeyPair({ organizationId: writer.organizationId, keyPairId, sequence, document });
    await writer.pointAt(pair);
  }),
  unasked("a head that names a missing pair", async ({ writer }) => {
    const pair = await writer.active();
    await writer.pointAt(pair, { keyPairId: "missing", sequence: pair.birth.sequence + 1 });
  }),
  unasked("a head that names the active pair with another digest", async ({ writer }) =>
    writer.pointAt(await writer.active(), { digest: garbage(32) }),
  ),
  unasked("a head that names the active pair with a later sequence", async ({ writer }) => {
    const pair = await writer.active();
    await writer.pointAt(pair, { sequence: pair.birth.sequence + 1 });
  }),
  unasked("another organization's genuine head", async ({ writer }) =>
    writer.point((await writer.store.readHead(otherOrganizationId))!.document),
  ),
  unasked("a head of another organization that names the active pair", async ({ writer }) =>
    writer.pointAt(await writer.active(), { organizationId: otherOrganizationId }),
  ),
];

/** A mark that nobody has sealed, in the place that a maker's mark would take. */
export async function markFalsely(writer: StoreWriter, keyPairId: string): Promise<void> {
  const { birthRecord } = await writer.copyOf(keyPairId);
  const mark = { kmsKeyArn: writer.loot.keyArn, ciphertext: garbage() };
  await writer.beside(keyPairId, "fate", encodeDocument("fate", { digest: birthRecordDigest(birthRecord), mark }));
}

/** Forged heads, and records that stand beside others. */
const beside: readonly Attack[] = [
  attack("a forged head, and forged marks beside every genuine pair", async (parts) => {
    const { writer, keyPairIds, unmarkedOrphan } = parts;
    for (const keyPairId of [...keyPairIds, unmarkedOrphan]) await markFalsely(writer, keyPairId);
    await writer.plant(await writer.forge());
  }),
  attack(
    "a forged head, and a status item of garbage",
    async ({ writer }) => {
      await writer.plant(await writer.forge());
      await writer.tell(garbage(300));
    },
    { word: "gone" },
  ),
  attack(
    "a forged head, and a status item that vouches for it",
    async ({ writer, statuses, clock }) => {
      const pair = await writer.forge();
      await writer.plant(pair);
      const { keyPairId, sequence } = pair.birth;
      const now = { attested: attestedDigest(pair), confirmedAt: clock.now(), at: clock.now() };
      const { mac } = decodeDocument("status", statuses.at(-1)!, "status item");
      await writer.tell(encodeDocument("status", { keyPairId, sequence, ...now, mac }));
    },
    { word: "gone" },
  ),
];

export const attacks: readonly Attack[] = [...forged, ...genuine, ...heads, ...beside];
