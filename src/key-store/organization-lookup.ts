import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { organizationIdRule } from "../kms/context-keys.js";
import { boundedCall, isDeadline } from "../util/abort.js";
import { isBytes } from "../util/bytes.js";
import { ownOptions, readable } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { isError } from "../util/realms.js";
import { textOfThrown } from "../util/safe-cause.js";
import { copySecret } from "../util/secrets.js";
import type { OrganizationOptions, OrganizationResolver } from "./options.js";

/** The only caller of `resolveOrganization`, which is the service's own code. */
export class OrganizationLookup {
  readonly #resolve: OrganizationResolver | undefined;
  readonly #timeout: number;

  /** @param timeout - longest time of one call, in ms; a later answer is dropped */
  constructor(resolve: OrganizationResolver | undefined, timeout: number) {
    this.#resolve = resolve;
    this.#timeout = timeout;
  }

  /**
   * What an organization has of its own, as a copy.
   * @throws whatever error `resolveOrganization` throws; InvalidInputError for a bad id, where it throws what is no error, and
   * where it gives no options; `ERR_ORGANIZATION_TIMEOUT`; the signal's reason
   */
  async optionsOf(organizationId: string, signal: AbortSignal): Promise<OrganizationOptions> {
    const resolve = this.#resolve;
    if (!resolve) return {};
    let own: OrganizationOptions;
    try {
      own = await boundedCall(async (call) => resolve(organizationId, { signal: call.signal }), {
        deadline: this.#timeout,
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failure(error);
    }
    if (typeof own !== "object" || own === null)
      throw new InvalidInputError(
        "resolveOrganization",
        "must give an object with the organization's own options",
        own,
      );
    return readable("resolveOrganization", () => copyOf(own));
  }

  #failure(error: unknown): Error {
    if (isDeadline(error)) {
      const message = `resolveOrganization gave nothing within ${this.#timeout} ms`;
      return new RecordingKeyStoreError("ERR_ORGANIZATION_TIMEOUT", message, { retryable: true });
    }
    if (isError(error)) return error;
    return new InvalidInputError("resolveOrganization", `must throw errors; it threw ${textOfThrown(error)}`);
  }
}

/** @throws InvalidInputError for an id that no organization can have */
export function checkOrganizationId(organizationId: unknown): void {
  if (typeof organizationId !== "string" || !organizationIdRule.pattern.test(organizationId))
    throw new InvalidInputError("organizationId", organizationIdRule.message, organizationId);
}

/** The owner of a secret may have wiped it by the time an evicted key store is made again. */
function copyOf(own: OrganizationOptions): OrganizationOptions {
  // Undefined must not take the place of a common option, trustedKmsKeys least of all.
  const given = defined(ownOptions(own));
  const { fleetSecret } = given;
  const copied = (secret: unknown) => (isBytes(secret) ? copySecret(secret) : secret);
  const secrets = Array.isArray(fleetSecret) ? fleetSecret.map(copied) : copied(fleetSecret);
  return fleetSecret === undefined ? given : ({ ...given, fleetSecret: secrets } as OrganizationOptions);
}
