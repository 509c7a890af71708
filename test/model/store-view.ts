import { decodeBirthRecord, birthRecordDigest } from "../../src/format/birth-record.js";
import { decodeDocument, type HeadDocument } from "../../src/key-pairs/documents.js";
import type { PeriodicKeyChange } from "../../src/format/vocabulary.js";
import type { MemoryKeyPairStore } from "../../src/testing/index.js";
import type { Fate } from "./rotation-state.js";
import { organizationId } from "./rotation-parts.js";

export interface ViewedPair {
  readonly id: string;
  readonly sequence: number;
  readonly digest: string;
  readonly previous: string | undefined;
  readonly period: PeriodicKeyChange;
  readonly kmsKeyArn: string;
  readonly fate: Fate;
}

/** What a store holds, read past everything that this library believes or checks. */
export interface StoreView {
  readonly head:
    { readonly revision: string; readonly id: string; readonly sequence: number; readonly digest: string } | undefined;
  readonly pairs: readonly ViewedPair[];
}

export async function viewOf(store: MemoryKeyPairStore): Promise<StoreView> {
  const head = await store.readHead(organizationId);
  const stored = await store.listKeyPairs(organizationId, { limit: 100 });
  const pairs = stored.map(async ({ keyPairId, document }) => {
    const wrappings = await store.listWrappings(organizationId, keyPairId);
    const fate = wrappings.find(({ wrappingId }) => wrappingId === "fate");
    return { ...parsedPair(document), fate: fate ? parsedFate(fate.document) : ("open" as const) };
  });
  return { head: head && { revision: head.revision, ...parsedHead(head.document) }, pairs: await Promise.all(pairs) };
}

const parsed = new Map<string, unknown>();

function once<T>(bytes: Uint8Array, parse: () => T): T {
  const name = Buffer.from(bytes).toString("latin1");
  if (!parsed.has(name)) parsed.set(name, parse());
  return parsed.get(name) as T;
}

function parsedHead(bytes: Uint8Array) {
  return once(bytes, () => {
    const { keyPairId, sequence, digest }: HeadDocument = decodeDocument("head", bytes, "head");
    return { id: keyPairId, sequence, digest: digest.toString("hex") };
  });
}

function parsedPair(bytes: Uint8Array): Omit<ViewedPair, "fate"> {
  return once(bytes, () => {
    const { birthRecord, wrapping } = decodeDocument("keyPair", bytes, "pair");
    const { keyPairId, sequence, previousDigest, periodicKeyChange } = decodeBirthRecord(birthRecord);
    const [digest, previous] = [birthRecordDigest(birthRecord).toString("hex"), previousDigest?.toString("hex")];
    return { id: keyPairId, sequence, digest, previous, period: periodicKeyChange, kmsKeyArn: wrapping.kmsKeyArn };
  });
}

function parsedFate(bytes: Uint8Array): Fate {
  return once(bytes, () => (decodeDocument("fate", bytes, "fate").mark ? "marked" : "taken up"));
}

/** The pairs that the head leads to by digests, newest first. */
export function viewedChain({ head, pairs }: StoreView): ViewedPair[] {
  const chain: ViewedPair[] = [];
  const byDigest = (digest: string | undefined) => pairs.find((pair) => pair.digest === digest);
  for (let pair = byDigest(head?.digest); pair; pair = byDigest(pair.previous)) chain.push(pair);
  return chain;
}
