import { afterEach, describe, expect, it, vi } from "vitest";
import type { OperationObserver, OperationWatch } from "../src/telemetry.js";
import { createTestKeyStore } from "../src/testing/index.js";

const audio = Buffer.from("what was said");
const recordingId = "r";
const fail = (): never => {
  throw new Error("an observer's own");
};

afterEach(() => vi.restoreAllMocks());

const odd: [what: string, watch: () => OperationWatch | undefined][] = [
  ["throws at the start", fail],
  ["wants no watch", () => undefined],
  ["throws at the end", () => ({ ended: fail })],
  ["throws in its context, before the work", () => ({ within: fail, ended: () => undefined })],
  ["never starts the work", () => ({ within: () => undefined, ended: () => undefined })],
  [
    "starts the work twice, and then throws",
    () => ({
      within: (work) => {
        work();
        work();
        fail();
      },
      ended: () => undefined,
    }),
  ],
];

describe("an observer that", () => {
  it.each(odd)("%s disturbs nothing, nor the one after it", async (_, watch) => {
    vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { keyStore, kms } = await createTestKeyStore();
    const ended: unknown[] = [];
    keyStore.observe({ started: watch, privateKeyUsed: fail });
    keyStore.observe({ started: ({ operation }) => ({ ended: (end) => void ended.push([operation, end.error]) }) });
    const before = kms.journal.count("Decrypt");
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    const { body: again } = await keyStore.decryptRecording(body, { recordingId });
    expect(Buffer.from(again).equals(audio)).toBe(true);
    expect(kms.journal.count("Decrypt") - before).toBe(1);
    expect(ended).toEqual([
      ["encryptRecording", undefined],
      ["unwrapPrivateKey", undefined],
      ["decryptRecording", undefined],
    ]);
  });
});

describe("observe", () => {
  it("tells facts alone: no result, no content, nothing that an observer could change", async () => {
    const { keyStore } = await createTestKeyStore({ organizationId: "org-4711" });
    const told: unknown[] = [];
    keyStore.observe({
      started: (operation) => {
        told.push({ ...operation });
        Object.assign(operation, { organizationId: "spoilt" });
        return { within: (work) => told.push(work()), ended: (end) => void told.push(end) };
      },
      privateKeyUsed: (use) => void told.push(use),
    });
    const { body, keyPairId } = await keyStore.encryptRecording(audio, { recordingId, metadata: { name: "Ada" } });
    await keyStore.decryptRecording(body, { recordingId, actor: "agent-7", reason: "complaint" });
    const about = { organizationId: "org-4711", recordingId, asset: "main" };
    expect(told).toEqual([
      { ...about, operation: "encryptRecording" },
      undefined,
      { keyPairId, usedLastKnownKey: false, keyAtRisk: false, confirmation: "confirmed" },
      { ...about, operation: "decryptRecording" },
      undefined,
      { organizationId: "org-4711", operation: "unwrapPrivateKey" },
      undefined,
      { organizationId: "org-4711", inMemory: false },
      {},
      { keyPairId, confirmation: "confirmed" },
    ]);
  });

  it("tells one observer twice that was added twice, and not one that was taken out", async () => {
    const { keyStore } = await createTestKeyStore();
    const observer: OperationObserver = { started: vi.fn() };
    const leave = keyStore.observe(observer);
    keyStore.observe(observer);
    await keyStore.encryptRecording(audio, { recordingId });
    leave();
    leave();
    await keyStore.encryptRecording(audio, { recordingId });
    expect(observer.started).toHaveBeenCalledTimes(3);
  });
});
