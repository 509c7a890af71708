import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { accountId, audio, collectGarbage, day, drain, ids, kmsKeyAliasArn, minute, world } from "./world.js";

describe("with fewer key stores kept than there are organizations", () => {
  it("nothing is lost under load, and each organization has one key store at a time", async () => {
    const { stores, configure, encrypt, opens } = world({ maxIdleKeyStores: 4 });
    const organizations = ids(40);
    await configure(...organizations);
    const bodies = new Map<string, Uint8Array>();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        organizations.map(async (id) => {
          const [first, second] = await Promise.all([stores.for(id), stores.for(id)]);
          expect(first).toBe(second);
          const recordingId = `r${round}`;
          bodies.set(`${id} ${recordingId}`, (await encrypt(id, recordingId)).body);
        }),
      );
      await collectGarbage();
    }
    expect(bodies.size).toBe(200);
    for (const [name, body] of bodies) {
      const [id, recordingId] = name.split(" ") as [string, string];
      expect(await opens(id, body, recordingId)).toBe(true);
    }
    await sleep(50);
    expect(stores.status().keyStores).toBe(4);
    await stores.close();
  });

  it("one that was let go is garbage, and its successor asks neither KMS nor the look-up for what the process knows", async () => {
    let asked = 0;
    const { stores, configure, encrypt, opens, kms } = world({
      maxIdleKeyStores: 1,
      resolveOrganization: () => ((asked += 1), {}),
    });
    await configure("org-1");
    const { body } = await encrypt("org-1");
    const gone = new WeakRef(await stores.for("org-1"));
    await configure("org-2");
    await collectGarbage();
    expect(gone.deref()).toBeUndefined();
    kms.journal.clear();
    kms.faults.outage();
    expect(await encrypt("org-1")).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
    expect(kms.journal.count()).toBe(0);
    expect(asked).toBe(2);
    kms.faults.heal();
    expect(await opens("org-1", body)).toBe(true);
    await stores.close();
  });

  it("one that somebody holds stays the only one and works on", async () => {
    const { stores, configure, encrypt } = world({ maxIdleKeyStores: 1 });
    await configure("org-1");
    const held = await stores.for("org-1");
    await configure("org-2", "org-3");
    await collectGarbage();
    expect(await stores.for("org-1")).toBe(held);
    await encrypt("org-2");
    await collectGarbage();
    await held.encryptRecording(audio, { recordingId: "r" });
    expect(await stores.for("org-1")).toBe(held);
    await stores.close();
    await expect(held.encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("one with an open stream is kept, and close() waits for it", async () => {
    const { stores, configure, encrypt } = world({ maxIdleKeyStores: 1 });
    await configure("org-1", "org-2");
    let release: () => void = () => undefined;
    const source = async function* () {
      yield audio;
      await new Promise<void>((resolve) => (release = resolve));
    };
    const { body, done } = await (await stores.for("org-1")).encryptRecording(source(), { recordingId: "r" });
    const read = drain(body);
    for (const id of ids(20)) await configure(id);
    await encrypt("org-2");
    await collectGarbage();
    expect(stores.status()).toMatchObject({ withOpenWork: 1 });
    let isClosed = false;
    const closing = stores.close().then(() => (isClosed = true));
    await sleep(30);
    expect(isClosed).toBe(false);
    release();
    await Promise.all([read, done, closing]);
  });

  it("one in trouble is kept: since when and why, nobody else knows", async () => {
    const { stores, configure, encrypt, kms, clock } = world({ maxIdleKeyStores: 1, background: false });
    await configure("org-1", "org-2");
    kms.faults.outage();
    const { trouble } = await (await stores.for("org-1")).confirm();
    kms.faults.heal();
    clock.advance(day);
    for (const id of ids(9).slice(2)) await configure(id);
    await collectGarbage();
    expect((await encrypt("org-1")).usedLastKnownKey).toBe(true);
    expect((await (await stores.for("org-1")).status()).trouble?.since).toEqual(trouble?.since);
    await stores.close();
  });

  it("one with listeners of its own is kept", async () => {
    const { stores, configure, encrypt } = world({ maxIdleKeyStores: 1 });
    await configure("org-1");
    let heard = 0;
    (await stores.for("org-1")).on("keyPairChanged", () => (heard += 1));
    await configure("org-2", "org-3");
    await encrypt("org-3");
    await collectGarbage();
    await (await stores.for("org-1")).rotate();
    expect(heard).toBe(1);
    await stores.close();
  });
});

it.each(["let go", "released"])(
  "a store rolled back while an organization's key store is %s is refused, and the confirmed key goes on",
  async (how) => {
    const { stores, configure, encrypt, store } = world({ maxIdleKeyStores: 1 });
    await configure("org-1");
    const before = await store.readHead("org-1");
    const { keyPairId } = await (await stores.for("org-1")).rotate();
    if (how === "released") await stores.release("org-1");
    else await configure("org-2");
    await collectGarbage();
    const head = await store.readHead("org-1");
    await store.swapHead("org-1", head?.revision, before!.document);
    expect(await encrypt("org-1")).toMatchObject({ keyPairId, usedLastKnownKey: true });
    expect((await (await stores.for("org-1")).status()).storeError).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    await stores.close();
  },
);

it("what was confirmed is remembered although the host's own memory can't be written or read", async () => {
  const broken = { load: () => Promise.reject(new Error("disk")), save: () => Promise.reject(new Error("disk")) };
  const { stores, encrypt, kms } = world({ maxIdleKeyStores: 1, lastConfirmed: broken, trustedKmsKeys: [accountId] });
  for (const id of ["org-1", "org-2"]) await (await stores.for(id)).configure({ kmsKeyAliasArn });
  await collectGarbage();
  kms.faults.outage();
  expect(await encrypt("org-1")).toMatchObject({ confirmation: "confirmed" });
  await stores.close();
});

it("a confirmation that is due after an organization was let go is made up for", async () => {
  const { stores, configure, encrypt, kms, clock } = world({ maxIdleKeyStores: 1 });
  await configure("org-1", "org-2");
  await collectGarbage();
  clock.advance(16 * minute);
  kms.journal.clear();
  await encrypt("org-1");
  await sleep(50);
  expect(kms.journal.count("Decrypt")).toBeGreaterThanOrEqual(1);
  await stores.close();
});
