import { headLogEntryOf, headLogText, type HeadLogEntries, type HeadLogEntry } from "../head-log.js";
import { isNew, textOf, type ItemKey } from "./items.js";
import type { DynamoDbRequests } from "./requests.js";

/** A partition of its own: in those of organizations two hexadecimal digits stand behind each `%`. */
const partition = { S: "%head-changes" };
const digits = 16;
const [first, last] = ["0".repeat(digits), "9".repeat(digits)];
const sortKey = "sk" as const;

const sortKeyOf = (number: number) => ({ S: String(number).padStart(digits, "0") });
const keyOf = (number: number): ItemKey => ({ pk: partition, sk: sortKeyOf(number) });

/** The log of changes to heads: some 120 bytes for each beside the 1 KiB or more of the pair that it stores. */
export function headLogItems(requests: DynamoDbRequests): HeadLogEntries {
  /** Entries between two places, both included. */
  const query = async (
    from: string,
    request: { readonly Limit: number; readonly ScanIndexForward: boolean },
    signal: AbortSignal,
  ) => {
    const entries: HeadLogEntry[] = [];
    const items = requests.query(
      {
        ...request,
        sortKey,
        KeyConditionExpression: "pk = :pk AND sk BETWEEN :from AND :to",
        ExpressionAttributeValues: { ":pk": partition, ":from": { S: from }, ":to": { S: last } },
      },
      signal,
    );
    for await (const item of items) entries.push(entryOf(item));
    return entries;
  };
  return {
    last: async (signal) => (await query(first, { Limit: 1, ScanIndexForward: false }, signal))[0],
    from: async (number, limit, signal) => query(sortKeyOf(number).S, { Limit: limit, ScanIndexForward: true }, signal),
    append: async (entry, signal) => {
      const item = { ...keyOf(entry.number), rev: { S: entry.mark }, orgs: { S: headLogText(entry) } };
      return (await requests.put(item, isNew, signal)).written;
    },
  };
}

function entryOf(item: unknown): HeadLogEntry {
  const place = textOf(item, sortKey);
  const number = place?.length === digits ? place.replace(/^0+/, "") : undefined;
  return headLogEntryOf({ number, mark: textOf(item, "rev"), text: textOf(item, "orgs") });
}
