import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import {
  contextKeyNameRule,
  defaultContextKeyName,
  organizationIdRule,
  purposeContextKey,
} from "../kms/context-keys.js";
import type { EncryptionContext, KmsProvider } from "../kms/kms-provider.js";
import { boundedCall } from "../util/abort.js";
import { knownOptions } from "../util/check-input.js";
import { textOfThrown } from "../util/safe-cause.js";
import type { ChainHead } from "./chain.js";

/**
 * Where heads are anchored: every so many entries the log has KMS encrypt something under the head's digest as encryption
 * context, which CloudTrail writes down in the account that owns the key, out of the service's reach.
 */
export interface AuditAnchorOptions {
  readonly kms: KmsProvider;
  /** Alias ARN or key ARN of the organization's KMS key. */
  readonly keyId: string;
  readonly organizationId: string;
  /** Name of the organization's id in the encryption context. Default `genesys-cloud-organization-id`. */
  readonly contextKeyName?: string;
  /** Entries after which the head is anchored: 1 to 1,000,000, default 100. One call at a time; `close()` anchors too. */
  readonly every?: number;
  /** Longest time of one call, in ms: 10 to 600,000, default 30,000. */
  readonly timeout?: number;
}

/** Names of a head's parts in the encryption context. */
export const anchorContextKeys = {
  chain: "recording-keystore:audit-chain",
  sequence: "recording-keystore:audit-sequence",
  digest: "recording-keystore:audit-head",
} as const;
export const anchorPurpose = "audit-anchor";

/** Has heads anchored in the background. An anchor that fails stops no entry. */
export class AnchoredHeads {
  readonly #options: Required<AuditAnchorOptions>;
  /** Entries since the latest attempt. */
  #unanchored = 0;
  /** Attempts that have failed since one succeeded. */
  #failures = 0;
  #head: ChainHead | undefined;
  #anchored: ChainHead | undefined;
  #error: RecordingKeyStoreError | undefined;
  /** Anchored since they were last asked for. */
  #news: ChainHead[] = [];
  #running: Promise<void> | undefined;

  /** @throws InvalidInputError */
  constructor(options: AuditAnchorOptions) {
    const known = knownOptions(options, {
      kms: true,
      keyId: true,
      organizationId: true,
      contextKeyName: true,
      every: true,
      timeout: true,
    });
    const { contextKeyName = defaultContextKeyName, every = 100, timeout = 30_000 } = known;
    if (typeof (known.kms as Partial<KmsProvider> | null)?.encrypt !== "function")
      throw new InvalidInputError("anchor.kms", "must be a KmsProvider", known.kms);
    if (typeof known.keyId !== "string" || !known.keyId.startsWith("arn:"))
      throw new InvalidInputError("anchor.keyId", "must be an alias ARN or key ARN", known.keyId);
    if (typeof known.organizationId !== "string" || !organizationIdRule.pattern.test(known.organizationId))
      throw new InvalidInputError("anchor.organizationId", organizationIdRule.message, known.organizationId);
    if (typeof contextKeyName !== "string" || !contextKeyNameRule.pattern.test(contextKeyName))
      throw new InvalidInputError("anchor.contextKeyName", contextKeyNameRule.message, contextKeyName);
    if (contextKeyNameRule.taken.test(contextKeyName))
      throw new InvalidInputError("anchor.contextKeyName", contextKeyNameRule.takenMessage, contextKeyName);
    if (!Number.isInteger(every) || every < 1 || every > 1_000_000)
      throw new InvalidInputError("anchor.every", "must be a whole number from 1 to 1000000", every);
    if (typeof timeout !== "number" || !(timeout >= 10 && timeout <= 600_000))
      throw new InvalidInputError("anchor.timeout", "must be 10 to 600000", timeout);
    this.#options = { ...known, contextKeyName, every, timeout };
  }

  get anchored(): ChainHead | undefined {
    return this.#anchored;
  }

  get error(): RecordingKeyStoreError | undefined {
    return this.#error;
  }

  /** The heads anchored since this was last asked for. */
  takeNews(): ChainHead[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /** Entries are on disk, up to this head. */
  wrote(head: ChainHead, entries: number): void {
    this.#head = head;
    this.#unanchored += entries;
    if (this.#isDue) this.#start();
  }

  /** Anchors a log's end. */
  async anchorLast(head: ChainHead): Promise<void> {
    await this.settled();
    if (this.#unanchored === 0 && this.#failures === 0) return;
    this.#head = head;
    this.#start();
    await this.settled();
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  #start(): void {
    const head = this.#head;
    if (this.#running || !head) return;
    this.#unanchored = 0;
    this.#running = this.#anchor(head).finally(() => {
      this.#running = undefined;
      if (this.#isDue) this.#start();
    });
  }

  /** After a failure the next entry tries again, and then ever fewer do, as KMS may be away for long. */
  get #isDue(): boolean {
    const { every } = this.#options;
    return this.#unanchored >= (this.#failures === 0 ? every : Math.min(every, 2 ** (this.#failures - 1)));
  }

  /** Never rejects. */
  async #anchor(head: ChainHead): Promise<void> {
    const { kms, keyId, timeout } = this.#options;
    try {
      // What is encrypted is of no use to anybody: the context is what counts.
      const request = { keyId, plaintext: Buffer.from(head.digest), encryptionContext: this.#contextOf(head) };
      await boundedCall(async ({ signal }) => kms.encrypt(request, { signal }), { deadline: timeout });
      this.#anchored = head;
      this.#news.push(head);
      this.#error = undefined;
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#error =
        error instanceof RecordingKeyStoreError
          ? error
          : new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", `the log was not anchored: ${textOfThrown(error)}`, {
              retryable: true,
            });
    }
  }

  #contextOf({ chain, sequence, digest }: ChainHead): EncryptionContext {
    const { contextKeyName, organizationId } = this.#options;
    return {
      [contextKeyName]: organizationId,
      [purposeContextKey]: anchorPurpose,
      [anchorContextKeys.chain]: chain,
      [anchorContextKeys.sequence]: String(sequence),
      [anchorContextKeys.digest]: digest,
    };
  }
}
