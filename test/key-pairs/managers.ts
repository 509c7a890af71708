import type { RecordingKeyStoreOptions } from "../../src/index.js";
import type { SharedByOrganizations } from "../../src/key-pairs/key-manager-options.js";
import { KeyManager } from "../../src/key-pairs/key-manager.js";
import { accountId, configuration, homeRegion, organizationId, world } from "./world.js";
import { check } from "../../src/key-store/schemas.js";

export const { signal } = new AbortController();

/** An organization's world, and key managers on it: each as a process that has just started. */
export function managed() {
  const parts = world();
  const manager = (options: Partial<RecordingKeyStoreOptions> = {}, shared?: SharedByOrganizations) => {
    const events: string[] = [];
    const { provider: kms, store, clock } = parts;
    const usual = { organizationId, homeRegion, kms, store, trustedKmsKeys: [accountId], confirmTimeout: 1_000 };
    const keys = new KeyManager(
      check("options", { ...usual, ...options }),
      clock,
      (name) => void events.push(name),
      shared,
    );
    return Object.assign(keys, { events });
  };
  return { ...parts, manager };
}

/** One whose key manager has configured it. */
export async function configured(options: Partial<RecordingKeyStoreOptions> = {}) {
  const parts = managed();
  const keys = parts.manager(options);
  const pair = await keys.rotate({ configuration, signal });
  keys.events.splice(0);
  parts.kms.journal.clear();
  return { ...parts, keys, pair };
}
