import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { expect, vi } from "vitest";
import { RecordingKeyStore, RecordingKeyStoreError, type RecordingKeyStoreOptions } from "../../src/index.js";
import {
  InMemoryKms,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
} from "../../src/testing/index.js";
import { accountId, homeRegion, kmsKeyAliasArn, minute, organizationId } from "../key-pairs/world.js";

export const audio = randomBytes(100);
export const recording = { recordingId: "r" };
export { minute };

export const configuration = { kmsKeyAliasArn, periodicKeyChange: "daily" } as const;

/** The states in which a process may be when a party begins to fail. */
export const states = ["warm", "restarted", "fresh"] as const;
export type State = (typeof states)[number];

/** An organization whose parties can be spoilt, and a key store of each state. */
export async function organization(options: Partial<RecordingKeyStoreOptions> = {}) {
  const clock = new TestClock();
  const inMemoryKms = new InMemoryKms({ clock });
  inMemoryKms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const kms = new InMemoryKmsProvider(inMemoryKms);
  const store = new MemoryKeyPairStore();
  const lastConfirmed = new MemoryLastConfirmedStore();
  const keyStoreWith = (more: Partial<RecordingKeyStoreOptions> = {}) =>
    new RecordingKeyStore({
      ...{ organizationId, homeRegion, kms, store, clock, lastConfirmed, trustedKmsKeys: [accountId] },
      ...options,
      ...more,
    });
  const warm = keyStoreWith();
  await warm.configure(configuration);
  const { body } = await warm.encryptRecording(audio, recording);
  const keyStoreIn = (state: State) => {
    if (state === "warm") return warm;
    return keyStoreWith(state === "fresh" ? { lastConfirmed: new MemoryLastConfirmedStore() } : {});
  };
  return { clock, kms, inMemoryKms, store, lastConfirmed, keyStoreWith, warm, keyStoreIn, body };
}

/** Lets everything run that waits for nothing but promises. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export type Outcome<T> = { readonly result: T } | { readonly error: unknown };

/** Longest time that any call may take, in ms on the fake timers. */
const longestCall = 3 * minute;

/**
 * How a call ends, while time passes on the fake timers.
 * @param most - in ms
 */
async function outcomeOf<T>(call: () => Promise<T>, most = longestCall): Promise<Outcome<T>> {
  let outcome: Outcome<T> | undefined;
  call().then(
    (result) => (outcome = { result }),
    (error: unknown) => (outcome = { error }),
  );
  await turns();
  for (let passed = 0; !outcome && passed < most; passed += 5_000) {
    await vi.advanceTimersByTimeAsync(5_000);
    await turns(1);
  }
  if (!outcome) throw new Error(`a call hangs: it has not settled within ${most} ms`);
  return outcome;
}

/** What a call resolves with. */
export async function resultOf<T>(call: () => Promise<T>, most?: number): Promise<T> {
  const outcome = await outcomeOf(call, most);
  if ("result" in outcome) return outcome.result;
  throw outcome.error;
}

/** Lets what was begun in the background come to its end. */
export async function settle(): Promise<void> {
  for (let passed = 0; passed < 2 * minute; passed += minute / 2) {
    await vi.advanceTimersByTimeAsync(minute / 2);
    await turns(1);
  }
}

/** Once the party is well again, a process that knows its key heals by itself. @returns a recording made after it */
export async function expectHealed(keyStore: RecordingKeyStore, clock: TestClock) {
  clock.advance(61 * minute);
  await resultOf(() => keyStore.encryptRecording(audio, recording));
  await settle();
  const { keyPairId } = await resultOf(() => keyStore.rotate());
  const after = await resultOf(() => keyStore.encryptRecording(audio, recording));
  expect(after).toMatchObject({ keyPairId, usedLastKnownKey: false, confirmation: "confirmed" });
  return after;
}

/** Once the party is well again, any process confirms its key. */
export async function expectConfirmed(keyStore: RecordingKeyStore, clock: TestClock): Promise<void> {
  clock.advance(61 * minute);
  await resultOf(() => keyStore.encryptRecording(audio, recording));
  expect(await resultOf(() => keyStore.confirm())).toMatchObject({ confirmation: "confirmed" });
}

/** Expects a call to end in time, with a result or with an error of this library that can be shown. */
export async function expectTyped<T>(call: () => Promise<T>): Promise<Outcome<T>> {
  const outcome = await outcomeOf(call);
  if ("error" in outcome) expectTypedError(outcome.error);
  return outcome;
}

function expectTypedError(error: unknown): void {
  expect(typeof error === "object" && error instanceof RecordingKeyStoreError, inspect(error)).toBe(true);
  const { code, message, stack, cause } = error as RecordingKeyStoreError;
  expect(code).toMatch(/^ERR_[A-Z_]+$/);
  expect({ message, stack }).toEqual({ message: expect.any(String), stack: expect.any(String) });
  if (cause !== undefined) expect(cause).toBeInstanceOf(Error);
}
