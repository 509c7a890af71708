/*
 * The little that the store needs of etcd: its JSON gateway, by fetch. Keys and values are base64 there, numbers are texts, and
 * members that are zero, false or empty are left out.
 */
import { StoreError } from "recording-keystore/stores";

export interface EtcdItem {
  readonly key: string;
  readonly value: Buffer;
  /** The transaction that wrote it last. */
  readonly revision: string;
}

/** What must be so for a transaction to happen. */
export type EtcdCondition = { readonly key: string } & ({ readonly absent: true } | { readonly revision: string });
export type EtcdChange = { readonly put: string; readonly value: Uint8Array } | { readonly remove: string };

interface Answer {
  readonly header?: { readonly revision?: string };
  readonly kvs?: readonly { readonly key: string; readonly value?: string; readonly mod_revision: string }[];
  readonly succeeded?: boolean;
}

const encode = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");

export class EtcdClient {
  readonly #url: string;
  readonly #timeout: number;

  /** @param timeout - longest time of one request, in ms: below the key store's `storeTimeout`, so that no calls pile up */
  constructor(url: string, timeout: number) {
    this.#url = url;
    this.#timeout = timeout;
  }

  /** Items from `first` up to and without `end`, by key, at most `limit`. Linearizable: etcd asks its quorum. */
  async range(
    operation: string,
    first: string,
    { end, limit = 0, signal }: { end?: string; limit?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<EtcdItem[]> {
    const range = { key: encode(first), ...(end === undefined ? {} : { range_end: encode(end) }), limit };
    const { kvs = [] } = await this.#post(operation, "kv/range", range, signal);
    return kvs.map(({ key, value = "", mod_revision: revision }) => ({
      key: Buffer.from(key, "base64").toString(),
      value: Buffer.from(value, "base64"),
      revision,
    }));
  }

  /** Makes all changes at once if all conditions hold. The revision that it made, or `undefined` if it made none. */
  async transaction(
    operation: string,
    conditions: readonly EtcdCondition[],
    changes: readonly EtcdChange[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const compare = conditions.map((condition) => ({
      key: encode(condition.key),
      result: "EQUAL",
      ...("absent" in condition
        ? { target: "CREATE", create_revision: "0" }
        : { target: "MOD", mod_revision: condition.revision }),
    }));
    const success = changes.map((change) =>
      "put" in change
        ? { request_put: { key: encode(change.put), value: encode(change.value) } }
        : { request_delete_range: { key: encode(change.remove) } },
    );
    const { succeeded = false, header } = await this.#post(operation, "kv/txn", { compare, success }, signal);
    return succeeded ? header?.revision : undefined;
  }

  async #post(operation: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<Answer> {
    const deadline = AbortSignal.timeout(this.#timeout);
    try {
      const response = await fetch(`${this.#url}/v3/${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      if (response.ok) return (await response.json()) as Answer;
      await response.body?.cancel();
      throw new StoreError(response.status === 429 ? "throttled" : "service-error", {
        operation,
        message: `etcd answered with status ${response.status}`,
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof StoreError) throw error;
      // Not the client's own text, which quotes the address.
      const message = deadline.aborted ? "etcd did not answer in time" : "etcd can't be reached";
      throw new StoreError(deadline.aborted ? "timeout" : "unreachable", { operation, message });
    }
  }
}
