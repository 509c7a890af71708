import type { RecordingKeyStoreError } from "../errors.js";
import type { KmsProvider } from "../kms/kms-provider.js";

/** How many claims are remembered; the one disowned first is forgotten first, and would be asked about once more. */
const limit = 10_000;

/** What KMS has disowned, for the life of the process, so that the next look does not take it up again. */
export class DisownedClaims {
  readonly #errors = new Map<string, RecordingKeyStoreError>();

  get(claimDigest: string): RecordingKeyStoreError | undefined {
    return this.#errors.get(claimDigest);
  }

  add(claimDigest: string, error: RecordingKeyStoreError): void {
    const [first] = this.#errors.keys();
    if (this.#errors.size >= limit && first !== undefined) this.#errors.delete(first);
    this.#errors.set(claimDigest, error);
  }
}

const ofProviders = new WeakMap<KmsProvider, DisownedClaims>();

/** The memory that all key stores on one provider share, also one after the other. */
export function disownedClaimsOf(provider: KmsProvider): DisownedClaims {
  let claims = ofProviders.get(provider);
  if (!claims) ofProviders.set(provider, (claims = new DisownedClaims()));
  return claims;
}
