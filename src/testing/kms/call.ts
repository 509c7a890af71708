import { keyArn, readKeyId, type KeyReference } from "./arn.js";
import { AwsError, dryRunSucceeded, invalidArn, notFound } from "./aws-error.js";
import { materialIdOf, type EncryptionContext } from "./ciphertext.js";
import type { KmsKey } from "./key.js";
import { notAuthorized } from "./policy/not-authorized.js";
import type { KmsPrincipal } from "./principals.js";
import type { KmsState } from "./state.js";
import type { KmsRequest } from "./wire.js";

/** How an operation means to use a key. */
export interface KeyUse {
  /** IAM action without `kms:`, if it is not called as the operation is. */
  action?: string;
  /** Alias names and ARNs are accepted. */
  aliases?: boolean;
  /** The operation does not work on keys of other accounts, whatever their policies say. */
  ownAccountOnly?: boolean;
  /** What state the key has to be in; any, unless given. */
  state?: "enabled" | "not-pending-deletion";
  encryptionContext?: EncryptionContext | undefined;
}

/** One request under way: finds and guards the keys that its operation asks for. */
export class KmsCall {
  readonly request: KmsRequest;
  readonly caller: KmsPrincipal;
  readonly state: KmsState;
  /** Calls of the test itself, setting the scene: nobody asks whether they may. */
  readonly #trusted: boolean;
  /** The first key that the operation used, for the journal. */
  keyArn: string | undefined;

  constructor(request: KmsRequest, caller: KmsPrincipal, state: KmsState, options: { trusted?: boolean } = {}) {
    this.request = request;
    this.caller = caller;
    this.state = state;
    this.#trusted = options.trusted ?? false;
  }

  get operation(): string {
    return this.request.operation;
  }

  get region(): string {
    return this.request.region;
  }

  get accountId(): string {
    return this.caller.accountId;
  }

  /** Finds the key that a request names, and makes sure that it may be used so. */
  key(keyId: string, use: KeyUse = {}): KmsKey {
    const reference = readKeyId(keyId, this);
    if (reference.aliasName !== undefined && !use.aliases) throw invalidArn(`Invalid arn ${keyId}`);
    const key = this.#find(reference);
    this.use(key, use);
    return key;
  }

  /** Finds the key that a request names, without asking whether the caller may use it. */
  find(keyId: string): KmsKey {
    return this.#find(readKeyId(keyId, this));
  }

  /** Makes sure that the caller may do what is about no key: IAM decides alone. */
  allow(action: string, resource = "*"): void {
    if (this.#trusted) return;
    if (this.caller.identityPolicy === undefined) throw notAuthorized(this.caller, action, `on resource: ${resource}`);
  }

  /** Makes sure that a key found otherwise may be used so. */
  use(key: KmsKey, use: KeyUse = {}): void {
    this.keyArn ??= key.arn;
    if (use.ownAccountOnly && key.accountId !== this.accountId) throw this.#denied(use);
    if (use.state) key.requireState(use.state);
  }

  /** Ends a dry run: every check has passed, nothing has happened. */
  endDryRun(dryRun: boolean | undefined): void {
    if (dryRun) throw dryRunSucceeded();
  }

  /** The key that the request seems to be about, without any check; for faults and the journal. */
  guessKeyArn(): string | undefined {
    const { KeyId, TargetKeyId, SourceKeyId, CiphertextBlob } = this.request.body;
    const keyId = [KeyId, TargetKeyId, SourceKeyId].find((id) => typeof id === "string") as string | undefined;
    try {
      if (keyId !== undefined) return this.#resolve(readKeyId(keyId, this))?.arn;
      if (typeof CiphertextBlob !== "string") return undefined;
      return this.state.keyOfMaterial(materialIdOf(Buffer.from(CiphertextBlob, "base64")), this.region)?.key.arn;
    } catch {
      return undefined;
    }
  }

  #resolve(reference: KeyReference): KmsKey | undefined {
    return reference.aliasName === undefined ? this.state.key(reference.arn) : this.state.keyOfAlias(reference.arn);
  }

  #find(reference: KeyReference): KmsKey {
    const key = this.#resolve(reference);
    if (key) return key;
    throw reference.aliasName === undefined ? notFound.key(reference.arn) : notFound.alias(reference.arn);
  }

  #denied(use: KeyUse): AwsError {
    return notAuthorized(this.caller, `kms:${use.action ?? this.operation}`);
  }
}
