/*
 * Calls of the shared store and of KMS per organization, worker and hour, and what they cost a large service in a month: counts
 * over simulated hours, no timing.
 */
import { randomBytes } from "node:crypto";
import { defined } from "../src/util/defined.js";
import { Fleet, hour, kmsKeyAliasArn, minute } from "./shared/fleet.js";
import { byScale } from "./shared/measure.js";
import { counted, type Row, type Scale, type Subject } from "./shared/subject.js";

/** Prices of on-demand capacity and of symmetric requests in us-east-1, USD per million: aws.amazon.com/dynamodb/pricing, /kms/pricing. */
const prices = { consistentRead: 0.125, eventualRead: 0.0625, write: 0.625, kms: 3 } as const;
const hoursPerMonth = 730;
/** The service whose bill is reckoned. */
const service = { organizations: 10_000, workers: 100 } as const;

interface Kind {
  readonly what: string;
  /** Time between two recordings of a worker, in ms. */
  readonly every: number;
  readonly headTtl?: number;
  readonly alone?: boolean;
  /** On a store without `headChanges`. */
  readonly silent?: boolean;
}

const kinds: readonly Kind[] = [
  { what: "a recording a minute", every: minute },
  { what: "six recordings a minute", every: minute / 6 },
  { what: "a recording an hour", every: hour },
  { what: "a recording a minute, without fleetSecret", every: minute, alone: true },
  { what: "a recording a minute, on a store that does not tell of changes", every: minute, silent: true },
  { what: "a recording a minute, headTtl 10 minutes", every: minute, headTtl: 10 * minute },
  { what: "a recording a minute, headTtl an hour", every: minute, headTtl: hour },
];

/** Calls of one worker in one hour. */
interface Counts {
  readonly recordings: number;
  readonly head: number;
  /** Looks at the changes to all heads, which serve all organizations of the worker. */
  readonly looks: number;
  readonly status: number;
  readonly otherReads: number;
  readonly writes: number;
  readonly kms: number;
}

async function countsOf({ every, headTtl, alone, silent }: Kind, size: number, hours: number): Promise<Counts> {
  const fleet = new Fleet(size, defined({ headTtl, fleetSecret: alone ? undefined : randomBytes(32) }), { silent });
  await fleet.one.configure({ kmsKeyAliasArn, periodicKeyChange: "never" });
  await fleet.work(hour, every);
  const before = new Map(fleet.storeCalls);
  const kms = await fleet.calls(() => fleet.work(hours * hour, every));
  const share = 1 / (size * hours);
  const of = (...names: string[]) =>
    names.reduce((sum, name) => sum + (fleet.storeCalls.get(name) ?? 0) - (before.get(name) ?? 0), 0) * share;
  const counts = {
    recordings: hour / every,
    head: of("readHead"),
    looks: of("headChanges"),
    status: of("readStatus"),
    otherReads: of("readKeyPair", "listKeyPairs", "listWrappings"),
    writes: of("writeStatus", "swapHead", "createKeyPair", "createWrapping"),
    kms: kms * share,
  };
  await fleet.close();
  return counts;
}

const shown = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 2 });
const dollars = (value: number) => `$${Math.round(value).toLocaleString("en-US")}`;

/**
 * USD a month for the whole service, every one of whose workers records for every organization.
 * @param headTtl - in ms: a worker of many organizations looks at their changes as often as that, however seldom each one records
 */
function monthlyCost(
  { head, status, otherReads, writes, kms }: Counts,
  headTtl: number,
): { dynamoDb: number; kms: number } {
  const millions = (service.organizations * service.workers * hoursPerMonth) / 1e6;
  const reads = (head + otherReads) * prices.consistentRead + status * prices.eventualRead;
  const looks = ((service.workers * hoursPerMonth) / 1e6) * (hour / headTtl) * prices.consistentRead;
  return { dynamoDb: millions * (reads + writes * prices.write) + looks, kms: millions * kms * prices.kms };
}

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 3, default: 100, full: 100 });
  const hours = byScale(scale, { quick: 1, default: 2, full: 4 });
  const rows: Row[] = [];
  for (const kind of kinds) {
    const counts = await countsOf(kind, size, hours);
    const cost = monthlyCost(counts, kind.headTtl ?? minute);
    const { head, looks, status, otherReads, writes, kms, recordings } = counts;
    rows.push({
      what: kind.what,
      figure: `${shown(head)} reads of the head, ${shown(looks)} of the changes to all heads, ${shown(status)} of the status, ${shown(otherReads)} others, ${shown(writes)} writes, ${shown(kms)} KMS calls`,
      against: `a month of ${service.organizations.toLocaleString("en-US")} organizations, each served by ${service.workers} workers: DynamoDB ${dollars(cost.dynamoDb)}, KMS ${dollars(cost.kms)}`,
      // Nothing of it grows with the number of recordings.
      ...(recordings > 100 ? { promise: counted("≤ 2 reads of the head", head <= 2) } : {}),
    });
  }
  return rows;
}

export const storeOperations: Subject = {
  title: "Store operations and their price",
  about:
    "Calls of the store and of KMS for each organization, worker and hour, after a first hour, in a fleet with a `fleetSecret` where nothing else is said, on a store that tells of changes to heads: one such look serves all organizations of a worker. And the bill of a large service all of whose workers serve all organizations (prices of us-east-1 in the bench's source). No call is made per recording. Counted over simulated hours.",
  run,
};
