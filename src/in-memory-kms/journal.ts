/** A call as the in-memory KMS saw it. Holds no plaintext, ciphertext, key material or secret key. */
export interface KmsCallRecord {
  /** Time on the in-memory KMS's clock, in ms since the Unix epoch. */
  readonly at: number;
  readonly requestId: string;
  readonly operation: string;
  readonly region: string;
  readonly accessKeyId: string;
  /** ARN of the caller. */
  readonly principal?: string;
  /** Key id as the request had it. */
  readonly keyId?: string;
  /** ARN of the key that the call was about. */
  readonly keyArn?: string;
  readonly encryptionContext?: Readonly<Record<string, string>>;
  /** `ok`, the name of the service's error, or the code of the network failure, such as `ECONNREFUSED` or `hang`. */
  readonly outcome: string;
  /** Absent if there was no answer. */
  readonly statusCode?: number;
  /** Kind of the fault that decided the call, if any. */
  readonly fault?: string;
}

/** Members that calls must agree with. */
export type KmsCallFilter = Partial<
  Pick<KmsCallRecord, "operation" | "region" | "accessKeyId" | "principal" | "keyId" | "keyArn" | "outcome" | "fault">
>;

const defaultLimit = 100_000;

/** Calls in order. Drops the oldest beyond the limit. */
export class KmsJournal {
  readonly #limit: number;
  #calls: KmsCallRecord[] = [];

  constructor(limit = defaultLimit) {
    this.#limit = limit;
  }

  /** Calls that agree with every member of `filter`. Default: all. */
  calls(filter: KmsCallFilter = {}): KmsCallRecord[] {
    const wanted = Object.entries(filter) as [keyof typeof filter, string | undefined][];
    return this.#calls.filter((call) => wanted.every(([name, value]) => call[name] === value));
  }

  /** Number of calls, of one operation or of all. */
  count(operation?: string): number {
    return operation === undefined ? this.#calls.length : this.calls({ operation }).length;
  }

  clear(): void {
    this.#calls = [];
  }

  /** @internal */
  add(record: KmsCallRecord): void {
    this.#calls.push(record);
    // Dropping calls one by one would move the whole list each time.
    if (this.#calls.length > this.#limit * 1.1) this.#calls = this.#calls.slice(this.#calls.length - this.#limit);
  }
}
