import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { RecordingKeyStore } from "./recording-key-store.js";

/** What an administrator of an organization can be given. Neither includes the other. */
export const permissions = ["recording:encryptionKey:view", "recording:encryptionKey:edit"] as const;
export type Permission = (typeof permissions)[number];

/** Which permission each of an administrator's methods needs. The README shows this table. */
export const permissionNeeded = {
  status: "recording:encryptionKey:view",
  keyPairs: "recording:encryptionKey:view",
  test: "recording:encryptionKey:edit",
  configure: "recording:encryptionKey:edit",
  rotate: "recording:encryptionKey:edit",
  rewrapKeyPairs: "recording:encryptionKey:edit",
} as const satisfies Partial<Record<keyof RecordingKeyStore, Permission>>;

export type AdministrationMethod = keyof typeof permissionNeeded;

/**
 * A key store as one administrator may use it, from {@link RecordingKeyStore.administration}. Every method rejects with
 * {@link NotPermittedError} (`ERR_NOT_PERMITTED`) unless the administrator has the permission that it needs.
 */
export interface KeyStoreAdministration extends Pick<RecordingKeyStore, AdministrationMethod> {
  /** Which methods the permissions allow, for a page that shows only what will work. */
  readonly may: Readonly<Record<AdministrationMethod, boolean>>;
}

/** Gives out nothing but the methods of the table: the key store itself can't be reached through it. */
export function administrationOf(
  keyStore: Pick<RecordingKeyStore, AdministrationMethod>,
  given: Iterable<string>,
): KeyStoreAdministration {
  const held = heldPermissions(given);
  const methods = Object.keys(permissionNeeded) as AdministrationMethod[];
  const guarded =
    (method: AdministrationMethod) =>
    async (...args: unknown[]) => {
      const permission = permissionNeeded[method];
      if (!held.has(permission)) throw new NotPermittedError(method, permission);
      return Reflect.apply(keyStore[method], keyStore, args) as Promise<unknown>;
    };
  const may = Object.freeze(Object.fromEntries(methods.map((method) => [method, held.has(permissionNeeded[method])])));
  return Object.freeze({
    ...Object.fromEntries(methods.map((method) => [method, guarded(method)])),
    may,
  }) as unknown as KeyStoreAdministration;
}

/** A user's permissions as they are now; those of other things are none of ours. */
function heldPermissions(given: Iterable<string>): ReadonlySet<string> {
  // A text is iterable too, letter by letter, and would silently permit nothing.
  if (typeof given !== "object" || given === null || typeof given[Symbol.iterator] !== "function") {
    throw new InvalidInputError("permissions", "must be a list or set of permissions", given);
  }
  return new Set(given);
}

/** An administrator called what their permissions do not allow. Nothing was done. */
export class NotPermittedError extends RecordingKeyStoreError {
  static override readonly errorName = "NotPermittedError";
  override readonly name = "NotPermittedError";
  readonly method: AdministrationMethod;
  /** The one that is missing. */
  readonly permission: Permission;

  constructor(method: AdministrationMethod, permission: Permission) {
    super("ERR_NOT_PERMITTED", `${method}() needs the permission ${permission}`);
    this.method = method;
    this.permission = permission;
  }
}
