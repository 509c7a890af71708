import { RecordingKeyStoreError } from "../../errors.js";
import { KmsError, kmsFailureGroup } from "../../kms/kms-error.js";
import { concurrently } from "../../util/concurrently.js";
import { defined } from "../../util/defined.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../key-pair.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";
import { furtherWrappings } from "../wrappings.js";

/**
 * States of a key pair, in the words of NIST SP 800-57 part 1, section 7: `active` encrypts and decrypts; `deactivated` decrypts
 * only; `suspended` can't decrypt now, because KMS refuses every KMS key that wraps it; `destroyed` never will, because KMS has none of
 * them any more; `pre-activation` was made and is not active yet; `compromised` is what the operator says is compromised.
 */
export const keyPairStates = [
  "pre-activation",
  "active",
  "deactivated",
  "suspended",
  "compromised",
  "destroyed",
] as const;
export type KeyPairState = (typeof keyPairStates)[number];

/** A key pair, and the KMS keys that wrap its private half. */
export interface KeyPairUsage {
  readonly keyPairId: string;
  readonly sequence: number;
  /** SHA-256 of the birth record, base64url. */
  readonly digest: string;
  readonly state: KeyPairState;
  /** When it was made. */
  readonly activeFrom: Date;
  /**
   * When the next one was made; missing for the active one. Workers followed within their `headTtl`, or once store and KMS were
   * back.
   */
  readonly activeUntil?: Date;
  /** ARNs of the KMS keys that wrap its private half, the one that it was made under first. */
  readonly kmsKeyArns: readonly string[];
  /** With `probe`: those of `kmsKeyArns` under which KMS has opened it now. */
  readonly opensUnder?: readonly string[];
}

/** A KMS key, and the key pairs whose private halves it wraps. */
export interface KmsKeyUsage {
  readonly kmsKeyArn: string;
  /** Number of key pairs that it wraps. */
  readonly keyPairs: number;
  /** Number of those that no other KMS key wraps or, with `probe`, that KMS opens under no other. */
  readonly keyPairsOnlyHere: number;
  /** Whether the active pair is under it. */
  readonly active: boolean;
  /** When the last of its pairs ceased to be active; missing while one is. */
  readonly lastActive?: Date;
  /** With `probe`: whether KMS opens everything under it (`yes`), something (`some`), nothing (`no`), or gave no verdict. */
  readonly opens?: "yes" | "some" | "no" | "unknown";
  /** With `probe`: the first failure. */
  readonly error?: RecordingKeyStoreError;
  /**
   * With `retention`: from when on no recording that is still kept was encrypted under it, so that it may be retired; missing while
   * it is active. Before that it may be retired where `keyPairsOnlyHere` is 0, except for recordings that are opened without the store.
   */
  readonly retirableFrom?: Date;
}

/** Result of `keyUsage()`. */
export interface KeyUsageReport {
  readonly organizationId: string;
  readonly at: Date;
  /** Whether KMS was asked. Without that, states know nothing of KMS keys that are disabled or gone. */
  readonly probed: boolean;
  /** The one of the active pair first, then by `lastActive`, latest first. */
  readonly kmsKeys: readonly KmsKeyUsage[];
  /** The history, newest first, and before it what is ahead of the active pair. */
  readonly keyPairs: readonly KeyPairUsage[];
}

/** What is asked of `keyUsage()`. */
export interface KeyUsageRequest {
  /** Has KMS open each private half under each KMS key that wraps it. */
  readonly probe: boolean;
  /** How long recordings are kept, in ms. */
  readonly retention?: number | undefined;
  /** Ids of key pairs that the operator knows to be compromised. */
  readonly compromised: readonly string[];
}

/** Number of pairs read from the store at a time. */
const batch = 50;
/** Most pairs asked about at a time. */
const atATime = 8;

type Parts = Pick<KeyPairContext, "organizationId" | "records" | "calls" | "trust" | "clock">;

/** A pair with what the history and KMS say of it. */
interface Looked {
  readonly pair: ClaimedKeyPair;
  readonly until: number | undefined;
  readonly isAhead: boolean;
  readonly wrappings: readonly { readonly kmsKeyArn: string; readonly answer: Answer }[];
}

/** What came of having KMS open a wrapping. */
type Answer = "not-asked" | "opened" | RecordingKeyStoreError;

/**
 * Which KMS keys wrap which pairs, and since when each is needed no more. Asks KMS with `probe` only.
 *
 * @param active - the vouched pair that the store's head names, from which the history is read
 * @throws RecordingKeyStoreError `ERR_STORE_*`, the signal's reason. What KMS says, or does not, is in the report
 */
export async function keyUsage(
  parts: Parts,
  active: VouchedKeyPair,
  request: KeyUsageRequest,
  signal?: AbortSignal,
): Promise<KeyUsageReport> {
  const looked: Looked[] = [];
  await concurrently(pairsOf(parts, active, signal), atATime, async ({ pair, until, isAhead }) => {
    signal?.throwIfAborted();
    const further = (await furtherWrappings(parts, pair, signal)).filter(
      ({ kmsKeyArn }) => kmsKeyArn !== pair.wrapping.kmsKeyArn,
    );
    const wrappings = [];
    for (const wrapping of [pair.wrapping, ...further])
      wrappings.push({ kmsKeyArn: wrapping.kmsKeyArn, answer: await answerOf(parts, pair, wrapping, request, signal) });
    looked.push({ pair, until, isAhead, wrappings });
  });
  looked.sort((one, other) => other.pair.birth.sequence - one.pair.birth.sequence);
  return {
    organizationId: parts.organizationId,
    at: new Date(parts.clock.now()),
    probed: request.probe,
    kmsKeys: kmsKeysOf(looked, active, request),
    keyPairs: looked.map((one) => keyPairUsage(one, active, request)),
  };
}

/** The history, newest first, and the readable pairs ahead of it that are not known to be forgeries. */
async function* pairsOf(
  { records, trust }: Parts,
  active: VouchedKeyPair,
  signal: AbortSignal | undefined,
): AsyncGenerator<Omit<Looked, "wrappings">> {
  for await (const stored of records.list(undefined, () => batch, signal)) {
    if (stored.sequence <= active.birth.sequence) break;
    const pair = readable(() => records.claimOf(stored));
    if (pair && !trust.knownToBeNone(pair)) yield { pair, until: undefined, isAhead: true };
  }
  let until: number | undefined;
  for await (const { pair } of records.chain({ digest: active.digest }, () => batch, signal)) {
    yield { pair, until, isAhead: false };
    until = pair.birth.createdAt;
  }
}

async function answerOf(
  { calls, trust }: Parts,
  pair: ClaimedKeyPair,
  wrapping: KmsCiphertext,
  { probe }: KeyUsageRequest,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  if (!probe) return "not-asked";
  try {
    if (wrapping === pair.wrapping) trust.checkForDecryption(pair);
    await calls.unwrapHalf(pair, wrapping, signal);
    return "opened";
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RecordingKeyStoreError) return error;
    throw error;
  }
}

function keyPairUsage(looked: Looked, active: VouchedKeyPair, request: KeyUsageRequest): KeyPairUsage {
  const { pair, until, wrappings } = looked;
  const { keyPairId, sequence, createdAt } = pair.birth;
  const opened = wrappings.filter(({ answer }) => answer === "opened").map(({ kmsKeyArn }) => kmsKeyArn);
  return {
    keyPairId,
    sequence,
    digest: pair.digest.toString("base64url"),
    state: stateOf(looked, active, request),
    activeFrom: new Date(createdAt),
    ...defined({ activeUntil: until === undefined ? undefined : new Date(until) }),
    kmsKeyArns: wrappings.map(({ kmsKeyArn }) => kmsKeyArn),
    ...defined({ opensUnder: request.probe ? opened : undefined }),
  };
}

function stateOf({ pair, isAhead, wrappings }: Looked, active: VouchedKeyPair, request: KeyUsageRequest): KeyPairState {
  if (request.compromised.includes(pair.birth.keyPairId)) return "compromised";
  if (isAhead) return "pre-activation";
  if (wrappings.every(({ answer }) => isRefusal(answer)))
    return wrappings.every(({ answer }) => isGone(answer)) ? "destroyed" : "suspended";
  return pair.digest.equals(active.digest) ? "active" : "deactivated";
}

/** Whether KMS, or this library before it, has answered and refused: an outage is no such answer. */
function isRefusal(answer: Answer): boolean {
  if (typeof answer === "string") return false;
  return !(answer instanceof KmsError && kmsFailureGroup(answer.kind) === "unavailable");
}

function isGone(answer: Answer): boolean {
  return answer instanceof KmsError && answer.kind === "key-not-found";
}

function kmsKeysOf(
  looked: readonly Looked[],
  active: VouchedKeyPair,
  { probe, retention }: KeyUsageRequest,
): KmsKeyUsage[] {
  const uses = new Map<string, Looked[]>();
  for (const one of looked) {
    for (const { kmsKeyArn } of one.wrappings) {
      const used = uses.get(kmsKeyArn);
      if (used) used.push(one);
      else uses.set(kmsKeyArn, [one]);
    }
  }
  const helps = ({ answer }: Looked["wrappings"][number]) => !probe || answer === "opened";
  const usage = [...uses].map(([kmsKeyArn, used]): KmsKeyUsage => {
    const isActive = used.some(({ pair, isAhead }) => isAhead || pair.digest.equals(active.digest));
    const lastActive = isActive ? undefined : Math.max(...used.map(({ until = 0 }) => until));
    const onlyHere = used.filter(
      ({ wrappings }) => !wrappings.some((one) => one.kmsKeyArn !== kmsKeyArn && helps(one)),
    );
    const answers = used.flatMap(({ wrappings }) =>
      wrappings.filter((one) => one.kmsKeyArn === kmsKeyArn).map(({ answer }) => answer),
    );
    return {
      kmsKeyArn,
      keyPairs: used.length,
      keyPairsOnlyHere: onlyHere.length,
      active: isActive,
      ...defined({
        lastActive: lastActive === undefined ? undefined : new Date(lastActive),
        opens: probe ? verdictOf(answers) : undefined,
        error: answers.find((answer) => typeof answer !== "string"),
        retirableFrom:
          lastActive === undefined || retention === undefined ? undefined : new Date(lastActive + retention),
      }),
    };
  });
  const rank = ({ lastActive }: KmsKeyUsage) => lastActive?.getTime() ?? Infinity;
  return usage.sort((one, other) => (rank(one) === rank(other) ? 0 : rank(other) - rank(one)));
}

function verdictOf(answers: readonly Answer[]): "yes" | "some" | "no" | "unknown" {
  if (answers.every((answer) => answer === "opened")) return "yes";
  if (answers.some((answer) => answer === "opened")) return "some";
  return answers.every(isRefusal) ? "no" : "unknown";
}
