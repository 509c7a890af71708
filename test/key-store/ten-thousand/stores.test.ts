import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import { MemoryLastConfirmedStore } from "../../../src/testing/index.js";
import { plantForgedHead } from "../../support/forgery.js";
import { atLength } from "../../support/effort.js";
import { kmsKeyAliasArn, organizationId, setup } from "../../support/setup.js";
import { storeMethods } from "../../support/store-methods.js";
import type { StoredHead } from "../../../src/stores/index.js";

const recordings = atLength(10_000, 200);
/** Recordings between two moments at which the store is looked at again. */
const stretch = recordings / 100;
const minute = 60_000;

/** What stood in the store before the last change of key. */
interface Earlier {
  readonly head: StoredHead | undefined;
  readonly status: Uint8Array | undefined;
}

/** Has every method of the store fail. */
const failing = (fail: () => Promise<never>) => (store: KeyPairStore) => {
  Object.assign(store, Object.fromEntries([...storeMethods, "headChanges"].map((method) => [method, fail])));
};

/** What a store may do to its users, by fault or by somebody's hand. */
interface Spoilt {
  readonly name: string;
  readonly spoil: (store: KeyPairStore, earlier: Earlier) => unknown;
  readonly spoils: "head" | "nothing that shows";
}

const stores: Spoilt[] = [
  { name: "hangs", spoil: failing(() => new Promise(() => undefined)), spoils: "head" },
  {
    name: "throws at once",
    spoil: failing(() => {
      throw new TypeError("socket is undefined");
    }),
    spoils: "head",
  },
  { name: "gives nonsense", spoil: failing(() => Promise.resolve({ surprise: 7 } as never)), spoils: "head" },
  {
    name: "has no head any more",
    spoil: (store) => (store.readHead = () => Promise.resolve(undefined)),
    spoils: "head",
  },
  { name: "names a forged pair", spoil: (store) => plantForgedHead(store), spoils: "head" },
  {
    name: "was rolled back",
    spoil: (store, { head }) => (store.readHead = () => Promise.resolve(head)),
    spoils: "head",
  },
  {
    name: "gives an old status item again and again",
    spoil: (store, { status }) => (store.readStatus = () => Promise.resolve(status)),
    spoils: "nothing that shows",
  },
];

it.each(stores)(
  `fails none of ${recordings} encryptions where the store $name, also after a restart`,
  async ({ spoil, spoils }) => {
    const options = { storeTimeout: 10, lastConfirmed: new MemoryLastConfirmedStore(), fleetSecret: randomBytes(32) };
    const { keyStore, keyStoreWith, store, clock } = setup(options);
    await keyStore.configure({ kmsKeyAliasArn });
    const earlier = { head: await store.readHead(organizationId), status: await store.readStatus(organizationId) };
    const { keyPairId } = await keyStore.rotate();
    await spoil(store, earlier);
    clock.advance(2 * minute);
    const content = randomBytes(64);
    let worker = keyStore;
    const sample: Uint8Array[] = [];
    let flagged = 0;
    let asPromised = 0;
    for (let index = 0; index < recordings; index += 1) {
      if (index % stretch === 0) {
        clock.advance(16 * minute);
        await turn();
      }
      if (index === recordings / 2) worker = keyStoreWith();
      const result = await worker.encryptRecording(content, { recordingId: "r" });
      if (result.keyPairId === keyPairId && result.confirmation === "confirmed" && !result.keyAtRisk) asPromised += 1;
      if (result.usedLastKnownKey) flagged += 1;
      if (index % (recordings / 4) === 0) sample.push(result.body);
    }
    expect({ asPromised, flagged }).toEqual({ asPromised: recordings, flagged: spoils === "head" ? recordings : 0 });
    // The recordings carry their wrapped private half: recording and KMS are enough.
    const embeddedKeys = [kmsKeyAliasArn.replace(/.*:(\d{12}):.*/, "$1")];
    const opening = keyStoreWith({ store: setup().store, embeddedKeys });
    for (const body of sample) {
      expect(content.equals((await opening.decryptRecording(body, { recordingId: "r" })).body)).toBe(true);
    }
    await Promise.all([keyStore.close(), worker.close(), opening.close()]);
  },
);
