import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../src/index.js";
import { diagnoseStoreFailure, StoreError } from "../../src/stores/index.js";
import { storeFailureKinds } from "../../src/stores/store-error.js";
import { configured } from "../support/setup.js";

describe("diagnoseStoreFailure", () => {
  it.each(storeFailureKinds)("says what to do about %s", (kind) => {
    const error = new StoreError(kind, {
      operation: "swapHead",
      message: "swapHead failed",
      serviceErrorName: "57P01",
    });
    const diagnosis = diagnoseStoreFailure(error);
    expect(diagnosis).toMatchObject({ kind, detail: "swapHead failed", serviceErrorName: "57P01" });
    expect(diagnosis.summary).toMatch(/^[A-Z].*\.$/);
    expect(diagnosis.whatToDo.length).toBeGreaterThan(0);
    expect(error.retryable).toBe(kind !== "unsupported");
  });

  it("has every kind in docs/errors.md", () => {
    const documented = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
    for (const kind of storeFailureKinds) expect(documented).toContain(`\n| \`${kind}\` |`);
  });
});

describe("a store's failure", () => {
  it("keeps its kind and diagnosis in status(), and nothing of the driver's error", async () => {
    const { keyStore, store } = await configured();
    const secret = "hunter2";
    const cause = new Error(`postgres://admin:${secret}@db/keys`);
    store.readHead = async () => {
      throw new StoreError("read-only", {
        operation: "readHead",
        message: "a replica",
        serviceErrorName: "25006",
        cause,
      });
    };
    const status = await keyStore.status();
    expect(status.storeError).toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      kind: "read-only",
      serviceErrorName: "25006",
    });
    expect(status.storeDiagnosis).toMatchObject({ kind: "read-only", serviceErrorName: "25006" });
    expect(inspect(status, { depth: 9 })).not.toContain(secret);
    await keyStore.close();
  });

  it("counts as a time limit passed where the store does not answer", async () => {
    const { keyStore, store } = await configured({ storeTimeout: 20 });
    store.readHead = async () => new Promise(() => undefined);
    expect((await keyStore.status()).storeDiagnosis?.kind).toBe("timeout");
    await keyStore.close();
  });

  it("of an unknown kind is no kind of this library's", async () => {
    const { keyStore, store } = await configured();
    store.readHead = async () => {
      const error = new StoreError("full", { operation: "readHead", message: "odd" });
      throw Object.assign(Object.create(error) as StoreError, { kind: "hunter2" });
    };
    const { storeError } = await keyStore.status();
    expect(storeError).toBeInstanceOf(RecordingKeyStoreError);
    expect(storeError).not.toHaveProperty("kind");
    await keyStore.close();
  });
});
