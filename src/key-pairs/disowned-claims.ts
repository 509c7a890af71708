import type { RecordingKeyStoreError } from "../errors.js";
import type { KmsProvider } from "../kms/kms-provider.js";

/** Most claims remembered. The one disowned first is evicted first, and asked about once more. */
const limit = 10_000;

/** Claims that KMS has disowned, for the life of the process, so that nobody takes them up again. */
export class DisownedClaims {
  readonly #errors = new Map<string, RecordingKeyStoreError>();

  get(claimDigest: string): RecordingKeyStoreError | undefined {
    return this.#errors.get(claimDigest);
  }

  add(claimDigest: string, error: RecordingKeyStoreError): void {
    if (this.#errors.size >= limit) this.#errors.delete(this.#errors.keys().next().value as string);
    this.#errors.set(claimDigest, error);
  }
}

const ofProviders = new WeakMap<KmsProvider, DisownedClaims>();

/** The disowned claims of a provider, which all key stores on it share. */
export function disownedClaimsOf(provider: KmsProvider): DisownedClaims {
  let claims = ofProviders.get(provider);
  if (!claims) ofProviders.set(provider, (claims = new DisownedClaims()));
  return claims;
}
