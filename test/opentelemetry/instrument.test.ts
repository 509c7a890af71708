import { SpanStatusCode, type Meter } from "@opentelemetry/api";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { bytesSource, RecordingKeyStoreRegistry } from "../../src/index.js";
import { instrument, metricNames } from "../../src/opentelemetry/index.js";
import { createTestKeyStore, InMemoryKmsProvider, MemoryKeyPairStore } from "../../src/testing/index.js";
import { InMemoryTelemetry } from "./in-memory-telemetry.js";

const recordingId = "call-of-a-patient";
const audio = Buffer.from("what was said");
const day = 86_400_000;

let telemetry: InMemoryTelemetry;
let endContexts: () => void;
beforeAll(() => {
  endContexts = InMemoryTelemetry.withContexts();
});
afterAll(() => endContexts());
beforeEach(() => {
  telemetry = new InMemoryTelemetry();
});
afterEach(() => telemetry.close());

const valuesOf = async (name: string) =>
  Object.fromEntries(
    ((await telemetry.collect()).get(name)?.series ?? []).map(({ attributes, value }) => [
      Object.values(attributes).join(" "),
      value,
    ]),
  );
/** The meter of the telemetry, but for one function of it. */
const meterThatFails = (name: string): Meter =>
  new Proxy(telemetry.meter, {
    get: (meter, member) => {
      const value = Reflect.get(meter, member) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (member === name) throw new Error("the meter's own");
        return Reflect.apply(value, meter, args) as unknown;
      };
    },
  });
const exporters = () => ({ tracer: telemetry.tracer, meter: telemetry.meter });
const namesOfSpans = () => telemetry.spans.map(({ name }) => name.replace("recording_keystore ", "")).sort();
const parentOf = (operation: string) => telemetry.span(operation).parentSpanContext?.spanId;
const idOf = (operation: string) => telemetry.span(operation).spanContext().spanId;

describe("spans", () => {
  it("tell of each operation, with unwraps and changes of key inside those that needed them", async () => {
    const { keyStore } = await createTestKeyStore();
    instrument(keyStore, exporters());
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    await keyStore.decryptRecording(body, { recordingId });
    await (await keyStore.openRecording(bytesSource(body), { recordingId })).close();
    await keyStore.rotate();
    expect(namesOfSpans()).toEqual([
      "changeKey",
      "decryptRecording",
      "encryptRecording",
      "openRecording",
      "rotate",
      "unwrapPrivateKey",
    ]);
    expect([parentOf("unwrapPrivateKey"), parentOf("changeKey")]).toEqual([idOf("decryptRecording"), idOf("rotate")]);
    expect(telemetry.span("encryptRecording").attributes).toEqual({
      "recording_keystore.operation": "encryptRecording",
      "recording_keystore.confirmation": "confirmed",
      "recording_keystore.used_last_known_key": false,
      "recording_keystore.key_at_risk": false,
    });
  });

  it("of a stream end when it is done, with its sizes", async () => {
    const { keyStore } = await createTestKeyStore();
    instrument(keyStore, exporters());
    const encrypted = await keyStore.encryptRecording(Readable.from([audio]), { recordingId });
    expect(namesOfSpans()).toEqual([]);
    const { length } = await buffer(encrypted.body);
    await encrypted.done;
    expect(telemetry.span("encryptRecording").attributes).toMatchObject({
      "recording_keystore.recording.plaintext_size": audio.length,
      "recording_keystore.recording.encrypted_size": length,
    });
  });

  it("of what fails bear the code, and no message", async () => {
    const { keyStore, kms } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    instrument(keyStore, exporters());
    kms.faults.outage();
    await expect(keyStore.decryptRecording(body, { recordingId })).rejects.toThrow();
    await expect(keyStore.decryptRecording(body, { recordingId: "another" })).rejects.toThrow();
    for (const { status, events } of telemetry.spans)
      expect({ status, events }).toEqual({ status: { code: SpanStatusCode.ERROR }, events: [] });
    expect(telemetry.spans.map(({ attributes }) => attributes["error.type"])).toEqual([
      "ERR_KMS_UNAVAILABLE", // the unwrap
      "ERR_KMS_UNAVAILABLE",
      "ERR_RECORDING_MISMATCH",
    ]);
  });

  it("name organization, recording and key pair only where that is asked for", async () => {
    const { keyStore } = await createTestKeyStore({ organizationId: "org-4711" });
    const uninstrument = instrument(keyStore, exporters());
    const { body, keyPairId } = await keyStore.encryptRecording(audio, { recordingId, metadata: { name: "Ada" } });
    await keyStore.decryptRecording(body, { recordingId, actor: "agent-7", reason: "complaint" });
    const told = JSON.stringify([
      telemetry.spans.map(({ name, attributes }) => [name, attributes]),
      [...(await telemetry.collect())],
    ]);
    for (const secret of ["org-4711", recordingId, keyPairId, "Ada", "agent-7", "complaint", audio.toString()])
      expect(told).not.toContain(secret);
    uninstrument();
    instrument(keyStore, { ...exporters(), organizationIds: true, recordingIds: true });
    await keyStore.decryptRecording(body, { recordingId });
    expect(telemetry.spans.at(-1)?.attributes).toMatchObject({
      "recording_keystore.organization.id": "org-4711",
      "recording_keystore.recording.id": recordingId,
      "recording_keystore.recording.asset": "main",
      "recording_keystore.key_pair.id": keyPairId,
    });
  });
});

describe("metrics", () => {
  it("tell of an outage: age of the last confirmation, degraded recordings, a change that is due and fails", async () => {
    const { keyStore, kms, clock } = await createTestKeyStore({ configuration: { periodicKeyChange: "daily" } });
    instrument(keyStore, exporters());
    await keyStore.encryptRecording(audio, { recordingId });
    expect(await valuesOf(metricNames.degradedRecordings)).toEqual({});
    expect(await valuesOf(metricNames.lastKnownKey)).toEqual({ "": 0 });
    kms.faults.outage();
    clock.advance(day + 3_600_000);
    await expect(keyStore.rotate()).rejects.toThrow();
    expect(await keyStore.encryptRecording(audio, { recordingId })).toMatchObject({ usedLastKnownKey: true });
    expect(await valuesOf(metricNames.degradedRecordings)).toEqual({ last_known_key: 1 });
    expect(await valuesOf(metricNames.failedKeyChanges)).toEqual({ ERR_KMS_UNAVAILABLE: 1 });
    expect(await valuesOf(metricNames.confirmationAge)).toEqual({ "": 90_000 });
    expect(await valuesOf(metricNames.lastKnownKey)).toEqual({ "": 1 });
    expect(await valuesOf(metricNames.keyChangesDue)).toEqual({ "": 1 });
    expect(await valuesOf(metricNames.events)).toMatchObject({ keyChangeFailed: 1, lastKnownKeyInUse: 1 });
  });

  it("tell how often a private key was in memory, and how long KMS took where it was not", async () => {
    const { keyStore, kms } = await createTestKeyStore();
    instrument(keyStore, exporters());
    const { body } = await keyStore.encryptRecording(audio, { recordingId });
    for (let i = 0; i < 3; i += 1) await keyStore.decryptRecording(body, { recordingId });
    keyStore.forgetPrivateKeys();
    kms.faults.inject("access-denied");
    await expect(keyStore.decryptRecording(body, { recordingId })).rejects.toThrow();
    expect(await valuesOf(metricNames.privateKeyUses)).toEqual({ false: 2, true: 2 });
    expect(await valuesOf(metricNames.unwrapDuration)).toEqual({ "": 1, ERR_KMS_REFUSED: 1 });
    expect(await valuesOf(metricNames.operationDuration)).toEqual({
      encryptRecording: 1,
      decryptRecording: 3,
      "decryptRecording ERR_KMS_REFUSED": 1,
    });
    const units = new Map([...(await telemetry.collect())].map(([name, { unit }]) => [name, unit]));
    expect(Object.fromEntries(units)).toEqual({
      [metricNames.operationDuration]: "s",
      [metricNames.unwrapDuration]: "s",
      [metricNames.privateKeyUses]: "{use}",
      [metricNames.events]: "{event}",
      [metricNames.confirmationAge]: "s",
      [metricNames.lastKnownKey]: "{organization}",
      [metricNames.keyAtRisk]: "{organization}",
      [metricNames.keyChangesDue]: "{organization}",
      [metricNames.aliasDrift]: "{organization}",
    });
  });

  it("of a registry and of key stores on one meter add up, until each is taken out", async () => {
    const parts = await createTestKeyStore({ organizationId: "org-1" });
    const other = await createTestKeyStore({ organizationId: "org-2" });
    const registry = new RecordingKeyStoreRegistry({
      homeRegion: "us-east-1",
      kms: new InMemoryKmsProvider(
        parts.kms,
        parts.kms.addPrincipal({ arn: "arn:aws:iam::765628985471:role/recording", identityPolicy: "administrator" }),
      ),
      store: parts.store,
      trustedKmsKeys: ["111122223333"],
      clock: parts.clock,
    });
    const leaveRegistry = instrument(registry, exporters());
    const leave = instrument(other.keyStore, exporters());
    await (await registry.for("org-1")).encryptRecording(audio, { recordingId });
    await other.keyStore.encryptRecording(audio, { recordingId });
    expect(await valuesOf(metricNames.operationDuration)).toEqual({ encryptRecording: 2 });
    other.kms.disableKey(other.kmsKeyArn);
    await other.keyStore.confirm();
    expect(await valuesOf(metricNames.lastKnownKey)).toEqual({ "": 1 });
    expect(await valuesOf(metricNames.keyAtRisk)).toEqual({ "": 1 });
    other.kms.enableKey(other.kmsKeyArn);
    await other.keyStore.confirm();
    expect(await valuesOf(metricNames.aliasDrift)).toEqual({ "": 0 });
    other.kms.pointAlias(other.kmsKeyAliasArn, other.kms.createKey({ accountId: "111122223333" }));
    await other.keyStore.confirm();
    expect(await valuesOf(metricNames.aliasDrift)).toEqual({ "": 1 });
    leave();
    expect(await valuesOf(metricNames.aliasDrift)).toEqual({ "": 0 });
    leaveRegistry();
    leaveRegistry();
    await other.keyStore.encryptRecording(audio, { recordingId });
    expect(telemetry.spans.filter(({ name }) => name.endsWith("encryptRecording"))).toHaveLength(2);
    instrument(registry, { ...exporters(), organizationIds: true });
    expect(await valuesOf(metricNames.lastKnownKey)).toMatchObject({ "org-1": 0 });
    await registry.close();
  });

  it("name an option that there is not", async () => {
    const { keyStore } = await createTestKeyStore({ configuration: false, store: new MemoryKeyPairStore() });
    expect(() => instrument(keyStore, { organisationIds: true } as object)).toThrow("did you mean organizationIds?");
  });

  it("name what is no key store, tracer or meter, and watch nothing", async () => {
    const { keyStore } = await createTestKeyStore({ configuration: false, store: new MemoryKeyPairStore() });
    const observe = vi.spyOn(keyStore, "observe");
    for (const wrong of [{ tracer: null }, { tracer: {} }, { meter: null }, { meter: {} }, { meter: () => undefined }])
      expect(() => instrument(keyStore, { ...exporters(), ...(wrong as object) })).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_INPUT", field: Object.keys(wrong)[0] }),
      );
    for (const wrong of [undefined, null, {}, 5])
      expect(() => instrument(wrong as never, exporters())).toThrow(/^instrumented: must be/);
    expect(observe).not.toHaveBeenCalled();
  });

  it.each(["createObservableGauge", "addBatchObservableCallback"])(
    "watch nothing where a meter's %s() throws",
    async (name) => {
      const { keyStore } = await createTestKeyStore({ configuration: false, store: new MemoryKeyPairStore() });
      const observe = vi.spyOn(keyStore, "observe");
      const meter = meterThatFails(name);
      expect(() => instrument(keyStore, { ...exporters(), meter })).toThrow("the meter's own");
      expect(observe).not.toHaveBeenCalled();
    },
  );

  it("end all that they have begun, also where a meter throws then", async () => {
    vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    const { keyStore } = await createTestKeyStore();
    const uninstrument = instrument(keyStore, {
      ...exporters(),
      meter: meterThatFails("removeBatchObservableCallback"),
    });
    uninstrument();
    await keyStore.rotate();
    expect(telemetry.spans).toEqual([]);
    expect([...(await telemetry.collect()).keys()].filter((name) => name === metricNames.events)).toEqual([]);
  });
});
