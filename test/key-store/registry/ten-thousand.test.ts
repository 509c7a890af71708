import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/index.js";
import { atLength } from "../../support/effort.js";
import { ids, minute, world } from "./world.js";

const count = atLength(10_000, 1_000);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it(`${count} organizations in one process have one timer, and are all seen to within minutes without a rush`, async () => {
  const { stores, configure, encrypt, opens, kms } = world({
    clock: systemClock,
    maintenanceInterval: 1_000,
    confirmEvery: 5 * minute,
  });
  const organizations = ids(count);
  for (const id of organizations) await stores.for(id);
  const used = organizations.slice(0, count / 20);
  for (const id of used) {
    await configure(id);
    await encrypt(id);
  }
  expect(stores.status()).toMatchObject({ keyStores: count, withOpenWork: 0, usingLastKnownKey: 0 });
  expect(vi.getTimerCount()).toBe(1);

  const { body } = await encrypt("org-0");
  expect(await opens("org-0", body)).toBe(true);
  expect(vi.getTimerCount()).toBe(2); // one more wipes private keys, for as long as there are any
  await vi.advanceTimersByTimeAsync(61_000);
  expect(stores.status().unwrappedPrivateKeys).toBe(0);
  expect(vi.getTimerCount()).toBe(1);

  kms.journal.clear();
  let most = 0;
  let sum = 0;
  for (let second = 0; second < 7 * 60; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    most = Math.max(most, kms.journal.count());
    sum += kms.journal.count();
    kms.journal.clear();
  }
  expect(sum).toBeGreaterThanOrEqual(used.length);
  expect(most).toBeLessThanOrEqual(Math.ceil(organizations.length / 60));
  await stores.close();
  expect(vi.getTimerCount()).toBe(0);
});
