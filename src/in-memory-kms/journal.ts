/** One call as the in-memory KMS saw it. Never holds plaintext, ciphertext, key material or a secret key. */
export interface KmsCallRecord {
  /** The clock of the in-memory KMS. */
  readonly at: number;
  readonly requestId: string;
  readonly operation: string;
  readonly region: string;
  readonly accessKeyId: string;
  /** ARN of the caller, once it is known. */
  readonly principal?: string;
  /** The key id as the request had it. */
  readonly keyId?: string;
  /** The key that the call was about. */
  readonly keyArn?: string;
  readonly encryptionContext?: Readonly<Record<string, string>>;
  /** `ok`, the service's error name, or the network failure's code: `ECONNREFUSED`, `hang` … */
  readonly outcome: string;
  /** Absent if the call never came to an answer. */
  readonly statusCode?: number;
  /** The fault that decided the call, if one did. */
  readonly fault?: string;
}

const defaultLimit = 100_000;

/** The calls in order; the oldest are dropped beyond the limit. */
export class KmsJournal {
  readonly #limit: number;
  #calls: KmsCallRecord[] = [];

  constructor(limit = defaultLimit) {
    this.#limit = limit;
  }

  /** All calls, or those that agree with every member of `filter`. */
  calls(
    filter: Partial<
      Pick<
        KmsCallRecord,
        "operation" | "region" | "accessKeyId" | "principal" | "keyId" | "keyArn" | "outcome" | "fault"
      >
    > = {},
  ): KmsCallRecord[] {
    const wanted = Object.entries(filter) as [keyof typeof filter, string | undefined][];
    return this.#calls.filter((call) => wanted.every(([name, value]) => call[name] === value));
  }

  /** How many calls there were (of one operation). */
  count(operation?: string): number {
    return operation === undefined ? this.#calls.length : this.calls({ operation }).length;
  }

  clear(): void {
    this.#calls = [];
  }

  /** @internal */
  add(record: KmsCallRecord): void {
    this.#calls.push(record);
    // In chunks: dropping one at a time would move the whole list for each call.
    if (this.#calls.length > this.#limit * 1.1) this.#calls = this.#calls.slice(-this.#limit);
  }
}
