import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordingKeyStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";
import { createTestKeyStore, InMemoryKmsProvider, type TestKeyStoreOptions } from "../../src/testing/index.js";

const audio = randomBytes(100);
const hour = 3_600_000;
const accountId = "111122223333";

/** An organization under the reference key policy, whose workers have no other right, and what happens to its alias. */
async function organization(options: TestKeyStoreOptions = {}) {
  const parts = await createTestKeyStore({
    configuration: { periodicKeyChange: "never" },
    background: false,
    ...options,
  });
  const { keyStore, kms, store, clock, kmsKeyArn, kmsKeyAliasArn } = parts;
  /** Another worker, in a process of its own. @param arn - its role in AWS */
  const workerWith = (more: Partial<RecordingKeyStoreOptions>, arn = "arn:aws:iam::765628985471:role/recording") =>
    new RecordingKeyStore({
      ...{ organizationId: "org-1", homeRegion: "us-east-1", background: false, kmsTimeout: 600_000 },
      ...{
        store,
        clock,
        kms: new InMemoryKmsProvider(kms, kms.addPrincipal({ arn, identityPolicy: "administrator" })),
        trustedKmsKeys: [accountId],
      },
      ...more,
    });
  /** Points the alias at a new KMS key under the same policy: a manual rotation. */
  const move = () => {
    const moved = kms.createKey({ accountId, region: "us-east-1", policy: kms.getKeyPolicy(kmsKeyArn) });
    kms.pointAlias(kmsKeyAliasArn, moved);
    return moved;
  };
  const events: [name: string, event: object][] = [];
  for (const name of ["aliasDrift", "aliasDriftEnded", "lastKnownKeyInUse", "keyAtRisk"] as const)
    keyStore.on(name, (event) => events.push([name, event]));
  const drift = async () => (await keyStore.confirm()).aliasDrift;
  return { ...parts, workerWith, move, events, drift };
}

describe("an alias that the organization has pointed at another KMS key", () => {
  it("is in status(), with what to do, and in an event, once KMS was asked", async () => {
    const { keyStore, move, events, clock, kmsKeyArn, kmsKeyAliasArn } = await organization();
    const moved = move();
    expect(await keyStore.status()).not.toHaveProperty("aliasDrift");
    const status = await keyStore.confirm();
    expect(status.aliasDrift).toEqual({
      kmsKeyAliasArn,
      kmsKeyArn: moved,
      since: new Date(clock.now()),
      keyChange: "moves",
      diagnosis: {
        summary: `${kmsKeyAliasArn} points to ${moved}, and recordings are encrypted under ${kmsKeyArn}.`,
        whatToDo: expect.arrayContaining([
          "Change Key Now moves recordings to it, and so does the next change of key by the schedule.",
        ]) as string[],
      },
    });
    expect(status).toMatchObject({ usedLastKnownKey: false, keyAtRisk: false });
    expect(status).not.toHaveProperty("lastKmsError");
    expect(keyStore.health().aliasDrift).toBe(true);
    expect(events).toEqual([["aliasDrift", { kmsKeyAliasArn, kmsKeyArn: moved, since: clock.now() }]]);
  });

  it("is over once the key was changed, to which recordings have moved then", async () => {
    const { keyStore, move, events, drift } = await organization();
    const moved = move();
    await drift();
    expect((await keyStore.rotate()).kmsKeyArn).toBe(moved);
    expect(await keyStore.status()).not.toHaveProperty("aliasDrift");
    expect(await drift()).toBeUndefined();
    expect(keyStore.health().aliasDrift).toBe(false);
    expect(events.map(([name]) => name)).toEqual(["aliasDrift", "aliasDriftEnded"]);
  });

  it("is over once it was pointed back", async () => {
    const { kms, kmsKeyArn, kmsKeyAliasArn, move, events, drift } = await organization();
    move();
    await drift();
    kms.pointAlias(kmsKeyAliasArn, kmsKeyArn);
    expect(await drift()).toBeUndefined();
    expect(events.map(([name]) => name)).toEqual(["aliasDrift", "aliasDriftEnded"]);
  });

  it("at one that trustedKmsKeys does not cover: a change of key fails, and status() says so before", async () => {
    const { workerWith, kmsKeyArn, kmsKeyAliasArn, move } = await organization();
    const pinned = workerWith({ trustedKmsKeys: [kmsKeyAliasArn, kmsKeyArn] });
    const kmsKeyAtAlias = move();
    const { aliasDrift } = await pinned.confirm();
    expect(aliasDrift).toMatchObject({ kmsKeyArn: kmsKeyAtAlias, keyChange: "fails" });
    expect(aliasDrift?.diagnosis.whatToDo[0]).toContain("trustedKmsKeys");
    await expect(pinned.rotate()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("at one whose policy does not allow the service: told as refused, and as no outage", async () => {
    const { keyStore, kms, kmsKeyAliasArn, events, drift, clock } = await organization();
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region: "us-east-1" }));
    expect(await drift()).toMatchObject({ refusal: "access-denied", keyChange: "fails" });
    expect(await keyStore.status()).toMatchObject({ usedLastKnownKey: false, keyAtRisk: false });
    expect(events).toEqual([["aliasDrift", { kmsKeyAliasArn, since: clock.now() }]]);
    await expect(keyStore.rotate()).rejects.toMatchObject({ kind: "access-denied" });
  });

  it("of a multi-Region key in another Region is seen there, and an outage there is none at home", async () => {
    const { keyStore, kms, kmsKeyArn, drift } = await organization();
    const policy = kms.getKeyPolicy(kmsKeyArn);
    const elsewhere = { accountId, region: "eu-west-1", policy };
    const shared = kms.createKey({ ...elsewhere, multiRegion: true });
    kms.replicateKey(shared, "us-east-1", { policy });
    const alias = kms.createAlias("alias/shared", shared);
    await keyStore.configure({ kmsKeyAliasArn: alias, periodicKeyChange: "never" });
    kms.journal.clear();
    expect(await drift()).toBeUndefined();
    expect(kms.journal.calls().map(({ keyId, region }) => ({ keyId, region }))).toEqual([
      { keyId: alias, region: "eu-west-1" },
    ]);
    const outage = kms.faults.outage({ region: "eu-west-1" });
    const during = await keyStore.confirm();
    expect(during).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
    expect([during.aliasDrift, during.lastKmsError]).toEqual([undefined, undefined]);
    outage.remove();
    const single = kms.createKey(elsewhere);
    kms.pointAlias(alias, single);
    expect(await drift()).toMatchObject({ kmsKeyArn: single, keyChange: "fails" });
  });

  it("is seen by a worker that may decrypt attestations only, without its name", async () => {
    const { workerWith, kms, kmsKeyArn, kmsKeyAliasArn, move } = await organization();
    const recorder = "210987654321";
    const own = { organizationIds: ["org-1"] };
    const policy = recordingKeyPolicy({
      accountId,
      grants: [
        { ...own, serviceAccountId: "765628985471" },
        { ...own, serviceAccountId: recorder, access: "attestations" },
      ],
    });
    kms.putKeyPolicy(kmsKeyArn, policy);
    const worker = workerWith({}, `arn:aws:iam::${recorder}:role/recorder`);
    expect(await worker.confirm()).toMatchObject({ confirmation: "confirmed", vouchedBy: "kms" });
    move();
    const { aliasDrift } = await worker.confirm();
    expect(aliasDrift).toMatchObject({ kmsKeyAliasArn, keyChange: "unknown" });
    expect(aliasDrift).not.toHaveProperty("kmsKeyArn");
  });

  it("is in the status() of workers that never asked KMS, where the fleet has a secret", async () => {
    const fleetSecret = randomBytes(32);
    const { keyStore, workerWith, kms, clock, kmsKeyArn, kmsKeyAliasArn, move, drift } = await organization({
      fleetSecret,
    });
    const moved = move();
    await drift();
    kms.journal.clear();
    expect((await workerWith({ fleetSecret }).status()).aliasDrift).toMatchObject({
      kmsKeyArn: moved,
      keyChange: "moves",
    });
    expect(await workerWith({ fleetSecret: randomBytes(32) }).status()).not.toHaveProperty("aliasDrift");
    expect(kms.journal.count()).toBe(0);
    kms.pointAlias(kmsKeyAliasArn, kmsKeyArn);
    clock.advance(1);
    await workerWith({ fleetSecret }).confirm();
    expect(await keyStore.status()).not.toHaveProperty("aliasDrift"); // one that has been in use all the time
  });

  it("is neither invented nor hidden by whoever can write to the store", async () => {
    const fleetSecret = randomBytes(32);
    const { keyStore, workerWith, store, clock, move, drift } = await organization({ fleetSecret });
    expect(await drift()).toBeUndefined();
    const before = (await store.readStatus("org-1"))!;
    clock.advance(hour / 2);
    const moved = move();
    const { aliasDrift } = await keyStore.confirm();
    const during = (await store.readStatus("org-1"))!;
    const fresh = () => workerWith({ fleetSecret });
    const bringsBack = (document: Uint8Array) => store.writeStatus("org-1", document);
    const now = fresh();
    expect((await now.status()).aliasDrift).toEqual(aliasDrift);
    await bringsBack(before);
    for (const seen of [keyStore, now]) expect((await seen.status()).aliasDrift).toMatchObject({ kmsKeyArn: moved });

    const invented = JSON.parse(Buffer.from(before).toString()) as { alias: object };
    invented.alias = { at: clock.now() + 1, since: 1, kmsKeyArn: moved.replace(/key\/.*/, "key/of-a-liar") };
    await bringsBack(Buffer.from(JSON.stringify(invented)));
    clock.advance(1);
    for (const seen of [keyStore, now]) expect((await seen.status()).aliasDrift).toMatchObject({ kmsKeyArn: moved });
    expect(await fresh().status()).not.toHaveProperty("aliasDrift");

    await keyStore.rotate();
    await bringsBack(during); // it is about the pair before
    expect(await keyStore.status()).not.toHaveProperty("aliasDrift");
    for (const seen of [keyStore, fresh()]) expect((await seen.confirm()).aliasDrift).toBeUndefined();
  });

  it("never changes what recordings are encrypted with: only a change of key does, whatever the alias does", async () => {
    const steps = fc.array(fc.constantFrom("move", "back", "deny", "delete", "confirm", "rotate", "wait"), {
      minLength: 4,
      maxLength: 16,
    });
    await fc.assert(
      fc.asyncProperty(steps, async (happenings) => {
        const { keyStore, kms, kmsKeyArn, kmsKeyAliasArn, move, clock, drift } = await organization();
        let active = (await keyStore.status()).activeKeyPair!;
        /** Where the alias leads: a KMS key that may be used, or nowhere of use. */
        let leads: string | undefined = kmsKeyArn;
        let isThere = true;
        const point = (keyArn: string) => {
          if (isThere) kms.pointAlias(kmsKeyAliasArn, keyArn);
          else kms.createAlias("alias/recordings", keyArn);
          isThere = true;
        };
        for (const happening of happenings) {
          if (happening === "move") {
            if (!isThere) point(kmsKeyArn);
            leads = move();
          } else if (happening === "back") {
            point((leads = active.kmsKeyArn));
          } else if (happening === "deny") {
            point(kms.createKey({ accountId, region: "us-east-1" }));
            leads = undefined;
          } else if (happening === "delete" && isThere) {
            kms.deleteAlias(kmsKeyAliasArn);
            isThere = false;
            leads = undefined;
          } else if (happening === "wait") {
            clock.advance(hour);
          } else if (happening === "rotate" && leads !== undefined) {
            active = await keyStore.rotate();
            expect(active.kmsKeyArn).toBe(leads);
          }
          const seen = happening === "confirm" ? await drift() : (await keyStore.status()).aliasDrift;
          if (happening === "confirm") {
            expect(seen !== undefined).toBe(leads !== active.kmsKeyArn);
            expect(seen?.kmsKeyArn).toBe(leads === active.kmsKeyArn ? undefined : leads);
          }
          const made = await keyStore.encryptRecording(audio, { recordingId: "r" });
          expect(made).toMatchObject({ keyPairId: active.keyPairId, usedLastKnownKey: false, keyAtRisk: false });
        }
      }),
      { numRuns: 25 },
    );
  });
});
