import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type QueryCommandInput,
} from "@aws-sdk/client-dynamodb";
import { sendInAttempts, type CommandWithMiddleware } from "../../util/aws-attempts.js";
import { mayHaveHappened } from "../../util/aws-failures.js";
import { isConditionFailure } from "./failures.js";
import { memberOf, textOf, type Attribute, type ItemKey } from "./items.js";

/** The part of a `DynamoDBClient` that a store needs. One of another copy or version of the SDK, or a mock, will do. */
export interface DynamoDbClientLike {
  send(command: object, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

/** A condition on the item that is there. */
export interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeValues?: Record<string, Attribute>;
}

/** What became of a write under a condition. */
export interface WriteOutcome {
  /** Whether the condition held for the last attempt, and so the write was made. */
  readonly written: boolean;
  /** Failure of an earlier attempt of the SDK that may have made the write nevertheless. */
  readonly lost: unknown;
}

/** What to query, and by which attribute its answers ascend. */
export interface QueryRequest extends Omit<QueryCommandInput, "TableName" | "ConsistentRead" | "ExclusiveStartKey"> {
  readonly sortKey: "sk" | "pos";
}

/** Most pages without an item in a row: DynamoDB gives none where nothing is filtered. */
const mostEmptyPages = 16;
/** Most items asked for in a page. DynamoDB ends a page at 1 MiB in any case. */
const mostPerPage = 1_000;

interface RequestOptions {
  readonly client: DynamoDbClientLike;
  readonly tableName: string;
  /** In ms. */
  readonly attemptTimeout: number;
}

/** The requests of a store to its table. Their answers are claims. */
export class DynamoDbRequests {
  readonly #client: DynamoDbClientLike;
  readonly #table: { readonly TableName: string };
  readonly #attemptTimeout: number;

  constructor({ client, tableName, attemptTimeout }: RequestOptions) {
    this.#client = client;
    this.#table = { TableName: tableName };
    this.#attemptTimeout = attemptTimeout;
  }

  /** Reads an item; `undefined` if there is none. */
  async get(key: ItemKey, { consistent }: { consistent: boolean }, signal: AbortSignal): Promise<unknown> {
    const command = new GetItemCommand({ ...this.#table, Key: { ...key }, ConsistentRead: consistent });
    const item = memberOf(await this.#send(command, signal), "Item");
    return item ?? undefined;
  }

  async put(
    item: ItemKey & Record<string, Attribute>,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    return this.#write(new PutItemCommand({ ...this.#table, ...condition, Item: { ...item } }), signal);
  }

  async delete(key: ItemKey, condition: Partial<Condition>, signal: AbortSignal): Promise<WriteOutcome> {
    return this.#write(new DeleteItemCommand({ ...this.#table, ...condition, Key: { ...key } }), signal);
  }

  /** Sets one attribute of an item, and makes the item if there is none. */
  async set(key: ItemKey, name: string, value: Attribute, signal: AbortSignal): Promise<void> {
    const command = new UpdateItemCommand({
      ...this.#table,
      Key: { ...key },
      UpdateExpression: `SET ${name} = :value`,
      ExpressionAttributeValues: { ":value": value },
    });
    await this.#send(command, signal);
  }

  /** Items in ascending order, strongly consistent, page after page as far as the caller goes. */
  async *query({ sortKey, Limit, ...request }: QueryRequest, signal: AbortSignal): AsyncGenerator {
    let left = Limit ?? Infinity;
    let last = "";
    let start: unknown;
    for (let empty = 0; empty <= mostEmptyPages; empty += 1) {
      const command = new QueryCommand({
        ...request,
        ...this.#table,
        ConsistentRead: true,
        Limit: Math.min(left, mostPerPage),
        ExclusiveStartKey: start as QueryCommandInput["ExclusiveStartKey"],
      });
      const answer = await this.#send(command, signal);
      const items = memberOf(answer, "Items");
      for (const item of itemsOf(items)) {
        const position = textOf(item, sortKey);
        if (position === undefined || position <= last) throw new TypeError("the items of an answer do not ascend");
        [last, empty] = [position, 0];
        yield item;
        left -= 1;
        if (left <= 0) return;
      }
      start = memberOf(answer, "LastEvaluatedKey") ?? undefined;
      if (start === undefined) return;
    }
    throw new TypeError("the answers go on without end, and without items");
  }

  async #write(command: CommandWithMiddleware, signal: AbortSignal): Promise<WriteOutcome> {
    let lost: unknown;
    const onFailure = (error: unknown) => {
      if (mayHaveHappened(error)) lost ??= error;
    };
    try {
      await this.#send(command, signal, onFailure);
      return { written: true, lost };
    } catch (error) {
      if (isConditionFailure(error)) return { written: false, lost };
      throw error;
    }
  }

  async #send(
    command: CommandWithMiddleware,
    signal: AbortSignal,
    onFailure?: (error: unknown) => void,
  ): Promise<object> {
    signal.throwIfAborted();
    const attemptTimeout = this.#attemptTimeout;
    const answer = await sendInAttempts(this.#client, command, { attemptTimeout, signal, onFailure });
    if (typeof answer === "object" && answer !== null) return answer;
    throw new TypeError("the client resolved without an answer");
  }
}

/** The items of an answer, which may be anything. */
function itemsOf(items: unknown): readonly unknown[] {
  if (Array.isArray(items)) return items;
  throw new TypeError("an answer has no items");
}
