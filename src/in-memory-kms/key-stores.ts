import { randomBytes, randomUUID } from "node:crypto";
import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { requireAccountId, requireRegion } from "./arn.js";
import {
  CustomKeyStore,
  keyStoreTypes,
  newKeyStoreId,
  type ConnectionErrorCode,
  type KeyStoreType,
} from "./custom-key-store.js";
import { keyStoreIdForm, planFrom } from "./key-store-snapshot.js";
import { oneOf, pattern } from "./snapshot-fields.js";
import type { KmsState } from "./state.js";

export interface CreateKeyStoreOptions {
  /** As AWS forms them: `cks-` and 17 hexadecimal digits. Default: a new one. */
  id?: string;
  /** Default `EXTERNAL_KEY_STORE`. */
  type?: KeyStoreType;
  /** Default: its id. */
  name?: string;
  /** Owner, 12 digits. Default: as of keys. */
  accountId?: string;
  /** Default `us-east-1`. */
  region?: string;
  /** Default `true`: keys can only be made in a connected one. */
  connected?: boolean;
}

/** What becomes of connecting and disconnecting a custom key store. */
export interface KeyStoreConnectionOptions {
  /** Time that it is `CONNECTING` or `DISCONNECTING`, in ms of the in-memory KMS's clock. Default 0. */
  takesMs?: number;
  /** Connecting ends in `FAILED` with this code. Default: it succeeds. */
  failsWith?: ConnectionErrorCode;
}

export const createKeyStoreOptions = {
  id: true,
  type: true,
  name: true,
  accountId: true,
  region: true,
  connected: true,
} as const;

/** Custom key stores, as whoever runs what is behind them moves them. Bypasses policies and faults. */
export class KmsKeyStores {
  readonly #state: KmsState;
  readonly #accountId: string;

  /** @internal @param accountId - owner of key stores of which none is named */
  constructor(state: KmsState, accountId: string) {
    this.#state = state;
    this.#accountId = accountId;
  }

  /**
   * Creates a custom key store with a proxy or cluster of its own, and returns its id.
   * @throws InvalidInputError for options that there are not; TypeError for an account id or Region that can't be one
   */
  create(given: CreateKeyStoreOptions = {}): string {
    const options = knownOptions(given, createKeyStoreOptions);
    const { accountId = this.#accountId, region = "us-east-1", connected = true } = options;
    requireAccountId(accountId);
    requireRegion(region);
    const type = oneOf(options.type ?? "EXTERNAL_KEY_STORE", keyStoreTypes, "type");
    const id = options.id === undefined ? newKeyStoreId() : this.#freeId(options.id);
    const store = new CustomKeyStore({
      ...{ id, accountId, region },
      name: options.name ?? id,
      createdAt: this.#state.now,
      settings: settingsOf[type](),
      connection: { state: connected ? "CONNECTED" : "DISCONNECTED" },
    });
    this.#state.putKeyStore(store);
    return store.id;
  }

  /** What becomes of connecting and disconnecting from now on. @throws InvalidInputError for an id, time or code that there is not */
  setConnection(id: string, options: KeyStoreConnectionOptions = {}): void {
    const store = this.#find(id);
    store.plan = planFrom({ takesMs: 0, ...options }, "", store.type);
  }

  /** Begins to connect, from any state. @throws InvalidInputError for an id that there is not */
  connect(id: string): void {
    this.#find(id).connect(this.#state.now);
  }

  /** Begins to disconnect: its keys are unavailable from now on. @throws InvalidInputError for an id that there is not */
  disconnect(id: string): void {
    this.#find(id).disconnect(this.#state.now);
  }

  #freeId(id: string): string {
    if (this.#state.keyStores().some((store) => store.id === id)) throw new InvalidInputError("id", "is taken", id);
    return pattern(id, keyStoreIdForm, "id");
  }

  #find(id: string): CustomKeyStore {
    const store = this.#state.keyStores().find((known) => known.id === id);
    if (!store) throw new InvalidInputError("id", "must be the id of a custom key store", id);
    this.#state.changed();
    return store;
  }
}

/** Settings that no other key store has. */
const settingsOf: Record<KeyStoreType, () => CustomKeyStore["settings"]> = {
  AWS_CLOUDHSM: () => ({
    type: "AWS_CLOUDHSM",
    clusterId: `cluster-${randomBytes(8)
      .toString("hex")
      .replace(/[0189]/g, "x")}`,
    trustAnchorCertificate: "a certificate that the in-memory KMS does not read",
  }),
  EXTERNAL_KEY_STORE: () => ({
    type: "EXTERNAL_KEY_STORE",
    connectivity: "PUBLIC_ENDPOINT",
    uriEndpoint: `https://${randomUUID()}.example.com`,
    uriPath: "/kms/xks/v1",
    accessKeyId: "INMEMORYKMSXKSPROXYA",
  }),
};
