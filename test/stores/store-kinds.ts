import { rename } from "node:fs/promises";
import { afterAll } from "vitest";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { MemoryKeyPairStore } from "../../src/stores/memory.js";
import type { KeyPairStoreConformanceOptions, KeyPairStoreUnderTest } from "../../src/testing/index.js";
import { postgres } from "./postgres/store-kind.js";
import { s3Kind, startCeph, startS3Double } from "./s3/store-kind.js";
import { dynamoDbKind, startDynalite, startDynamoDbLocal } from "./dynamodb/store-kind.js";
import { atLength } from "../support/effort.js";
import { hasCeph } from "../support/ceph-gateway.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { startServingProcess } from "./serving-process.js";

/** An empty store with a second, independent handle on the same data. */
export type OpenedStore = Required<Pick<KeyPairStoreUnderTest, "store" | "other" | "close">> & KeyPairStoreUnderTest;

/** A kind whose server, if it has one, is up. */
interface StartedStoreKind {
  readonly open: () => Promise<OpenedStore>;
  /** Stops what was started. */
  readonly stop?: () => Promise<void>;
}

/** A kind of store that this package has. */
export interface StoreKind {
  /** Which parts the conformance suite checks. */
  readonly checked?: KeyPairStoreConformanceOptions;
  /** Starts what all stores of the kind share, such as a server. */
  readonly start: () => Promise<StartedStoreKind>;
}

const memory: StoreKind = {
  checked: { headChanges: true },
  start: async () => ({
    open: async () => {
      const store = new MemoryKeyPairStore();
      return { store, other: store, close: async () => undefined };
    },
  }),
};

const file: StoreKind = {
  checked: { processes: true, outages: true },
  start: async () => {
    const open = async () => {
      const { folder: directory, remove: close } = await temporaryFolder();
      const [store, other] = [new FileKeyPairStore({ directory }), new FileKeyPairStore({ directory })];
      const away = `${directory}-away`;
      return {
        store,
        other,
        startProcess: () => startServingProcess({ kind: "file", directory }),
        outages: { "its folder is away": { begin: () => rename(directory, away), end: () => rename(away, directory) } },
        close,
      };
    };
    return { open };
  },
};

/** Every kind of store, by the name of its class. A kind with a server has a file of its own and a row here. */
export const storeKinds: Readonly<Record<string, StoreKind>> = {
  MemoryKeyPairStore: memory,
  FileKeyPairStore: file,
  PostgresKeyPairStore: postgres,
  S3KeyPairStore: s3Kind(startS3Double),
  "DynamoDbKeyPairStore on dynalite": dynamoDbKind(startDynalite),
  ...atLength({ "DynamoDbKeyPairStore on DynamoDB Local": dynamoDbKind(startDynamoDbLocal) }, {}),
  ...((await hasCeph()) ? { "S3KeyPairStore on Ceph": s3Kind(startCeph) } : {}),
};

/**
 * Opens stores of a kind, which starts at the first of them and stops behind the last test of the `describe` in which this
 * is called: a server is started once for each test file that needs it.
 */
export function openerOf(kind: StoreKind): () => Promise<OpenedStore> {
  let started: Promise<StartedStoreKind> | undefined;
  afterAll(async () => (await started)?.stop?.());
  return async () => (await (started ??= kind.start())).open();
}
