import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { checkTimes } from "../../util/check-times.js";
import { CheckedKeyPairStore } from "../checked-key-pair-store.js";
import { DynamoDbBackend } from "./backend.js";
import { DynamoDbRequests, type DynamoDbClientLike } from "./requests.js";

/** Options of {@link DynamoDbKeyPairStore}. Times are 1 to 600,000 ms. */
export interface DynamoDbKeyPairStoreOptions {
  /** A `DynamoDBClient` for the table's Region. It stays the caller's to destroy. Retries are its own (`maxAttempts`). */
  client: DynamoDbClientLike;
  /** Name or ARN of a table as `dynamoDbTable` describes it. */
  tableName: string;
  /** Longest time of one attempt of the SDK, in ms. Default 1,500. */
  attemptTimeout?: number | undefined;
  /** Longest time of a call, with all its requests, attempts and pauses, in ms. Default 4,500. */
  deadline?: number | undefined;
}

/**
 * Key pairs in a DynamoDB table, for any number of hosts.
 *
 * Every read of head and records is strongly consistent, also of the history, which stands in a local index. Every write of
 * them is conditional. No transaction, no scan, no time to live.
 *
 * Failures reject with `ERR_STORE_UNAVAILABLE` (a `StoreError` with its kind) or `ERR_STORE_CORRUPT`.
 * @example
 * ```ts
 * const store = new DynamoDbKeyPairStore({ client: new DynamoDBClient({}), tableName: "recording-keys" });
 * ```
 */
export class DynamoDbKeyPairStore extends CheckedKeyPairStore {
  /** @throws InvalidInputError for a client without `send`, for no name of a table, and for a time out of bounds */
  constructor(options: DynamoDbKeyPairStoreOptions) {
    const {
      client,
      tableName,
      attemptTimeout = 1_500,
      deadline = 4_500,
    } = knownOptions(options, { client: true, tableName: true, attemptTimeout: true, deadline: true });
    if (typeof (client as Partial<DynamoDbClientLike> | null | undefined)?.send !== "function")
      throw new InvalidInputError("client", "must be a DynamoDBClient", client);
    if (typeof tableName !== "string" || !tableNamePattern.test(tableName))
      throw new InvalidInputError("tableName", "must be the name or the ARN of a table", tableName);
    checkTimes({ attemptTimeout, deadline });
    super(new DynamoDbBackend(new DynamoDbRequests({ client, tableName, attemptTimeout })), deadline);
  }
}

const tableNamePattern = /^(?:arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table\/)?[\w.-]{3,255}$/;
