import { inspect } from "node:util";
import { expect } from "vitest";
import { StoreError } from "../../../src/stores/store-error.js";
import { diagnoseStoreFailure } from "../../../src/stores/store-diagnosis.js";
import type { KeyPairStore } from "../../../src/stores/key-pair-store.js";
import type { PostgresServer } from "../../support/postgres-server.js";
import { bytes } from "../records.js";

/** Names and content that no error may show. */
export const organizationId = "organization-of-a-customer";
export const document = bytes("a document of a customer");

/** The error with which a call fails; it quotes nothing of the connection, the statement or its values. */
export async function failing(server: PostgresServer, call: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await call.then(
    (answer) => expect.fail(`answered ${inspect(answer)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StoreError)) throw new Error("another error", { cause: error });
  const shown = [
    inspect(error, { depth: 10, showHidden: true, getters: true }),
    JSON.stringify(error),
    JSON.stringify(diagnoseStoreFailure(error)),
  ].join("\n");
  const hex = (given: Uint8Array | string) => Buffer.from(given).toString("hex");
  const secrets = [organizationId, hex(organizationId), hex(document), "a document"];
  const words = ["INSERT", "SELECT", "UPDATE", "DELETE", "encode("];
  for (const secret of [server.password, server.host, String(server.port), "wrong-password", ...secrets, ...words])
    expect(shown).not.toContain(secret);
  expect(error).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: error.kind !== "unsupported" });
  return error;
}

export const readsOf = (store: KeyPairStore): (() => Promise<unknown>)[] => [
  () => store.readHead(organizationId),
  () => store.readKeyPair(organizationId, "pair"),
  () => store.listKeyPairs(organizationId, { limit: 5 }),
  () => store.listKeyPairs(organizationId, { limit: 5, after: { sequence: 9, keyPairId: "pair" } }),
  () => store.listWrappings(organizationId, "pair"),
  () => store.readStatus(organizationId),
];

export const writesOf = (store: KeyPairStore): (() => Promise<unknown>)[] => [
  () => store.swapHead(organizationId, undefined, document),
  () => store.swapHead(organizationId, "00000000-0000-4000-8000-000000000000", document),
  () => store.createKeyPair({ organizationId, keyPairId: "other", sequence: 2, document }),
  () => store.createWrapping(organizationId, "other", { wrappingId: "w", document }),
  () => store.writeStatus(organizationId, document),
  () => store.removeKeyPair!(organizationId, "other"),
];
