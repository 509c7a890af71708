import { describe, it } from "vitest";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { MemoryKeyPairStore } from "../../src/stores/memory.js";
import { keyPairStoreConformance } from "../../src/testing/key-pair-store-conformance.js";
import { temporaryFolder } from "./temporary-folder.js";

describe("MemoryKeyPairStore", () => {
  keyPairStoreConformance({ describe, it }, async () => ({ store: new MemoryKeyPairStore() }));
});

describe("FileKeyPairStore", () => {
  keyPairStoreConformance({ describe, it }, async () => {
    const { folder: directory, remove } = await temporaryFolder();
    return { store: new FileKeyPairStore({ directory }), other: new FileKeyPairStore({ directory }), close: remove };
  });
});
