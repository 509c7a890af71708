import { describe, it, onTestFinished } from "vitest";
import { openerOf, storeKinds } from "../stores/store-kinds.js";
import { atLength } from "../support/effort.js";
import { statesFor, typicalStates } from "./hosts.js";
import { operate } from "./operator.js";
import { record } from "./row.js";
import { rowsOf } from "./rows.js";
import { attacks } from "./toolbox.js";

/*
 * The table on every other kind of store, by `npm run test:long`: each attack by each kind of host and in each state of KMS, one
 * in six of the combinations, others for each store. The attacker writes by the store's own class, on the rights of any worker.
 * Under `npm test` those attacks that differ most in what they leave in the store, on files.
 */
const differing = [
  "forged under the real KMS key",
  "an old genuine head",
  "a genuine pair that never was active, marked",
  "a lost pair with its private half spoilt",
  "a head of garbage",
];
const chosen = attacks.filter(({ name }) => atLength(true, differing.includes(name)));
const states = atLength(statesFor, () => typicalStates);
// DynamoDB Local and Ceph would be second servers of the same stores.
const elsewhere = ["MemoryKeyPairStore", "DynamoDbKeyPairStore on DynamoDB Local", "S3KeyPairStore on Ceph"];
const kinds = Object.entries(storeKinds).filter(([name]) =>
  atLength(!elsewhere.includes(name), name === "FileKeyPairStore"),
);

describe.each(kinds.map(([name, kind], offset) => [name, kind, offset] as const))("in %s", (_, kind, offset) => {
  const open = openerOf(kind);
  const openStore = async () => {
    const { store, close } = await open();
    onTestFinished(close);
    return store;
  };
  for (const [attack, rows] of rowsOf(chosen, states, atLength(6, 3), offset)) {
    describe(attack.name, () => {
      for (const row of rows) {
        const { kind: host, state } = row;
        it(`gets no recording from ${host.name}, with KMS ${state.name}`, () => record(row, openStore));
        it(`leaves ${host.name} a way out, after KMS was ${state.name}`, () => operate(row, openStore));
      }
    });
  }
});
