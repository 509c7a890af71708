import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { TestReport } from "../key-pairs/operations/configuration-test.js";
import type { KeyPairInfo, KeyPairPage } from "../key-pairs/operations/history.js";
import type { RestoreReport } from "../key-pairs/operations/restore.js";
import type { RewrapReport } from "../key-pairs/operations/rewrap.js";
import type { KeyStoreStatus } from "../key-pairs/operations/status.js";
import { readable } from "../util/check-input.js";
import { member } from "../util/safe-cause.js";
import type { KeyUsageReport } from "../key-pairs/operations/usage-report.js";
import type {
  AuditedCallOptions,
  CallOptions,
  ConfigurationInput,
  ConfigureOptions,
  DryRunOptions,
  KeyUsageOptions,
  PageOptions,
  RecordingsToRead,
  RewrapOptions,
  TestOptions,
} from "./options.js";

/** What an administrator of an organization can be given. Neither includes the other. */
export const permissions = ["recording:encryptionKey:view", "recording:encryptionKey:edit"] as const;
export type Permission = (typeof permissions)[number];

/** What {@link AdministrationMethods.configure} has done. */
export interface ConfigureResult {
  /** Whether a new key pair was made; false only with `onlyIfChanged`. */
  readonly changed: boolean;
  /** The active pair, new or not. */
  readonly keyPair: KeyPairInfo;
  /** What the test found; absent where nothing was changed. */
  readonly report?: TestReport;
}

/** What a settings page calls; `RecordingKeyStore` says what each method does. */
export interface AdministrationMethods {
  status(options?: CallOptions): Promise<KeyStoreStatus>;
  keyPairs(query?: PageOptions): Promise<KeyPairPage>;
  keyUsage(options?: KeyUsageOptions): Promise<KeyUsageReport>;
  test(input: ConfigurationInput, options?: TestOptions): Promise<TestReport>;
  configure(input: ConfigurationInput, options?: ConfigureOptions): Promise<ConfigureResult>;
  rotate(options?: AuditedCallOptions): Promise<KeyPairInfo>;
  rewrapKeyPairs(options?: RewrapOptions): Promise<RewrapReport>;
  restoreKeyPairs(recordings: RecordingsToRead, options?: DryRunOptions): Promise<RestoreReport>;
}

export type AdministrationMethod = keyof AdministrationMethods;

/** Which permission each of an administrator's methods needs: a table of the guide for administrators. */
export const requiredPermission = {
  status: "recording:encryptionKey:view",
  keyPairs: "recording:encryptionKey:view",
  keyUsage: "recording:encryptionKey:view",
  test: "recording:encryptionKey:edit",
  configure: "recording:encryptionKey:edit",
  rotate: "recording:encryptionKey:edit",
  rewrapKeyPairs: "recording:encryptionKey:edit",
  restoreKeyPairs: "recording:encryptionKey:edit",
} as const satisfies Record<AdministrationMethod, Permission>;

/**
 * A key store as one administrator may use it, from `RecordingKeyStore.administration`. Every method rejects with
 * {@link NotPermittedError} (`ERR_NOT_PERMITTED`) unless the administrator has the permission that it needs.
 */
export interface KeyStoreAdministration extends AdministrationMethods {
  /** Which methods the permissions allow, for a page that shows only what will work. */
  readonly allowed: Readonly<Record<AdministrationMethod, boolean>>;
}

/** Writes down that a method was refused. @param options - the last argument, as it was given */
export type TellRefused = (method: AdministrationMethod, options: unknown, error: NotPermittedError) => Promise<void>;

/** Gives out nothing but the methods of the table: the key store itself can't be reached through it. */
export function administrationOf(
  keyStore: AdministrationMethods,
  given: Iterable<string>,
  tellRefused: TellRefused,
): KeyStoreAdministration {
  const held = heldPermissions(given);
  const methods = Object.keys(requiredPermission) as AdministrationMethod[];
  const guarded =
    (method: AdministrationMethod) =>
    async (...args: unknown[]) => {
      const permission = requiredPermission[method];
      if (!held.has(permission)) {
        const error = new NotPermittedError(method, permission);
        await tellRefused(method, args.at(-1), error);
        throw error;
      }
      const call = keyStore[method].bind(keyStore) as (...args: unknown[]) => Promise<unknown>;
      return call(...args);
    };
  const allowed = Object.fromEntries(methods.map((method) => [method, held.has(requiredPermission[method])]));
  return Object.freeze({
    ...Object.fromEntries(methods.map((method) => [method, guarded(method)])),
    allowed: Object.freeze(allowed),
  }) as unknown as KeyStoreAdministration;
}

/** A user's permissions as they are now; those of other things are ignored. */
function heldPermissions(given: Iterable<string>): ReadonlySet<string> {
  // A string is iterable too, letter by letter, and would silently permit nothing.
  if (typeof given !== "object" || given === null || typeof member(given, Symbol.iterator) !== "function") {
    throw new InvalidInputError("permissions", "must be a list or set of permissions", given);
  }
  return readable("permissions", () => new Set(given));
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
