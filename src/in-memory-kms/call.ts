import { randomUUID } from "node:crypto";
import { readKeyId, type KeyReference } from "./arn.js";
import { dryRunSucceeded, invalidArn, notFound, type AwsError } from "./aws-error.js";
import { materialIdOf, type EncryptionContext } from "./ciphertext.js";
import type { KmsKey, NeededState } from "./key.js";
import { lastUsage } from "./last-usage.js";
import { managedKey } from "./managed-keys.js";
import { refuseByIdentity, refuseOnKey } from "./policy/authorize.js";
import type { GrantQuestion } from "./policy/grants.js";
import { notAuthorized } from "./policy/not-authorized.js";
import { conditionContext, type RequestFacts } from "./policy/request-context.js";
import type { KmsPrincipal } from "./principals.js";
import type { KmsState } from "./state.js";
import type { KmsRequest } from "./wire.js";

/** How an operation uses a key. */
export interface KeyUse extends Pick<RequestFacts, "conditionKeys">, Pick<GrantQuestion, "newGrant"> {
  /** IAM action without its `kms:`. Default: the operation's name. */
  action?: string;
  /** Whether alias names and ARNs are accepted. */
  aliases?: boolean;
  /** Whether the operation works on keys of other accounts, if their policies allow it. */
  crossAccount?: boolean;
  /** State that the key must be in. Default: any. */
  state?: NeededState;
  encryptionContext?: EncryptionContext | undefined;
}

/** How cryptographic operations use a key. */
export function cryptographicUse(encryptionContext: EncryptionContext, algorithm = "SYMMETRIC_DEFAULT"): KeyUse {
  return { ...cryptographicKeyUse({ "kms:EncryptionAlgorithm": algorithm }), encryptionContext };
}

/** The same, of operations without an encryption context. */
export function cryptographicKeyUse(conditionKeys: KeyUse["conditionKeys"] = {}): KeyUse {
  return { aliases: true, crossAccount: true, state: "usable", conditionKeys };
}

/** A request under way. Finds the keys that its operation needs, and checks that the caller may use them. */
export class KmsCall {
  readonly request: KmsRequest;
  readonly caller: KmsPrincipal;
  readonly state: KmsState;
  /** Whether policies are bypassed, for calls by which a test sets itself up. */
  readonly #trusted: boolean;
  readonly #used = new Set<KmsKey>();
  /** ARN of the first key that the operation used, for the journal. */
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

  /** Finds the key that a request names, and checks that the caller may use it in this way. */
  key(keyId: string, use: KeyUse = {}): KmsKey {
    const reference = readKeyId(keyId, this);
    if (!use.aliases) refuseAlias(reference);
    const key = this.#resolve(reference) ?? this.#managedKey(reference);
    if (!key) throw this.#missing(reference, use);
    this.use(key, use, reference.aliasName);
    return key;
  }

  /** Finds the key that a request names, other than by an alias. Does not check whether the caller may use it. */
  find(keyId: string): KmsKey {
    const reference = readKeyId(keyId, this);
    refuseAlias(reference);
    const key = this.#resolve(reference);
    if (!key) throw this.#missing(reference, {});
    return key;
  }

  /** Finds the key that some text names, if any. Checks and refuses nothing. */
  peek(keyId: string): KmsKey | undefined {
    try {
      return this.#resolve(readKeyId(keyId, this));
    } catch {
      return undefined;
    }
  }

  /** Checks that the caller may use a key in this way. */
  use(key: KmsKey, use: KeyUse = {}, requestAlias?: string): void {
    this.keyArn ??= key.arn;
    if (use.state === "usable") this.#used.add(key);
    const refusal = this.#refuse(key, key.policy, use, requestAlias);
    if (refusal) throw refusal;
    if (use.state) key.requireState(use.state);
  }

  /** Checks an action that concerns no key, by the caller's identity policy alone. */
  allow(action: string, resource = "*", conditionKeys?: RequestFacts["conditionKeys"]): void {
    if (this.#trusted) return;
    const context = conditionContext({ caller: this.caller, region: this.region, now: this.state.now, conditionKeys });
    const refusal = refuseByIdentity(resource, { caller: this.caller, action, context });
    if (refusal) throw refusal;
  }

  /** Whether the caller's identity policy by itself allows the operation on a resource. */
  identityAllows(resource: string): boolean {
    const { caller, region } = this;
    const context = conditionContext({ caller, region, now: this.state.now });
    return !refuseByIdentity(resource, { caller, action: `kms:${this.operation}`, context });
  }

  /** Whether the caller could still change a key's policy under `policy`. */
  couldPutPolicy(key: KmsKey, policy: string): boolean {
    return this.#refuse(key, policy, { action: "PutKeyPolicy" }) === undefined;
  }

  /** Whether a key with a secret of its own was used, which may be made only then. */
  get usedSecrets(): boolean {
    return [...this.#used].some(({ isSymmetric }) => !isSymmetric);
  }

  /** Notes the success of an operation with the keys that it used. */
  succeeded(): void {
    const { operation, state, request } = this;
    for (const key of this.#used)
      key.lastUsage =
        lastUsage(operation, { at: state.now, requestId: request.requestId, eventId: randomUUID() }) ?? key.lastUsage;
  }

  /** Ends a dry run once every check has passed, before anything happens. */
  endDryRun(dryRun: boolean | undefined): void {
    if (dryRun) throw dryRunSucceeded();
  }

  /** ARN of the key that the request seems to be about, for faults and the journal. Checks nothing. */
  guessKeyArn(): string | undefined {
    const { KeyId, TargetKeyId, SourceKeyId, CiphertextBlob } = this.request.body;
    const keyId = [KeyId, TargetKeyId, SourceKeyId].find((id): id is string => typeof id === "string");
    if (keyId !== undefined) return this.peek(keyId)?.arn;
    try {
      if (typeof CiphertextBlob !== "string") return undefined;
      return this.state.keyOfMaterial(materialIdOf(Buffer.from(CiphertextBlob, "base64")), this.region)?.key.arn;
    } catch {
      return undefined;
    }
  }

  #managedKey({ aliasName, accountId }: KeyReference): KmsKey | undefined {
    if (aliasName === undefined || accountId !== this.accountId) return undefined;
    return managedKey(this.state, aliasName, this);
  }

  #resolve(reference: KeyReference): KmsKey | undefined {
    return reference.aliasName === undefined ? this.state.key(reference.arn) : this.state.keyOfAlias(reference.arn);
  }

  /** A caller without rights in IAM, or of another account, does not learn that there is no such key. */
  #missing(reference: KeyReference, use: KeyUse): AwsError {
    const action = `kms:${use.action ?? this.operation}`;
    if (reference.aliasName !== undefined) return notFound.alias(reference.arn);
    if (reference.accountId !== this.accountId) return notAuthorized(this.caller, action);
    const context = conditionContext({ caller: this.caller, region: this.region, now: this.state.now });
    const refusal = this.#trusted
      ? undefined
      : refuseByIdentity(reference.arn, { caller: this.caller, action, context });
    return refusal ?? notFound.key(reference.arn);
  }

  #refuse(key: KmsKey, policy: string, use: KeyUse, requestAlias?: string): AwsError | undefined {
    if (this.#trusted) return undefined;
    const { encryptionContext, conditionKeys, newGrant } = use;
    const action = `kms:${use.action ?? this.operation}`;
    if (key.accountId !== this.accountId && !use.crossAccount) return notAuthorized(this.caller, action);
    const context = conditionContext({
      caller: this.caller,
      region: this.region,
      now: this.state.now,
      key,
      aliasesOfKey: () => this.state.aliases(key).map(({ name }) => name),
      requestAlias,
      encryptionContext,
      conditionKeys,
    });
    return refuseOnKey(key, policy, { caller: this.caller, action, context, encryptionContext, newGrant });
  }
}

function refuseAlias({ aliasName }: KeyReference): void {
  if (aliasName !== undefined) throw invalidArn("Key Aliases are not supported for this operation");
}
