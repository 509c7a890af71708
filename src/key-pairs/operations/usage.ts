import { RecordingKeyStoreError } from "../../errors.js";
import { KmsError, kmsFailureGroup } from "../../kms/kms-error.js";
import { concurrently } from "../../util/concurrently.js";
import { defined } from "../../util/defined.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../key-pair.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";
import { furtherWrappings } from "../wrappings.js";
import type {
  KeyMaterialUsage,
  KeyPairState,
  KeyPairUsage,
  KeyUsageReport,
  KmsKeyUsage,
  WrapperUsage,
} from "./usage-report.js";

/** What is asked of `keyUsage()`. */
export interface KeyUsageRequest {
  /** Has KMS open each private half under each KMS key that wraps it, and tell by which key material. */
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
type Answer = "not-asked" | Opened | RecordingKeyStoreError;

/** That KMS has opened it. */
interface Opened {
  readonly opened: true;
  readonly keyMaterialId?: string;
}

const hasOpened = (answer: Answer): answer is Opened =>
  answer !== "not-asked" && !(answer instanceof RecordingKeyStoreError);

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
  signal: AbortSignal,
): Promise<KeyUsageReport> {
  const looked: Looked[] = [];
  await concurrently(pairsOf(parts, active, signal), atATime, async ({ pair, until, isAhead }) => {
    signal.throwIfAborted();
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
  signal: AbortSignal,
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
  signal: AbortSignal,
): Promise<Answer> {
  if (!probe) return "not-asked";
  try {
    if (wrapping === pair.wrapping) trust.checkForDecryption(pair);
    const { keyMaterialId } = await calls.unwrapHalf(pair, wrapping, signal);
    return { opened: true, ...defined({ keyMaterialId }) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RecordingKeyStoreError) return error;
    throw error;
  }
}

function keyPairUsage(looked: Looked, active: VouchedKeyPair, request: KeyUsageRequest): KeyPairUsage {
  const { pair, until, wrappings } = looked;
  const { keyPairId, sequence, createdAt } = pair.birth;
  const opened = wrappings.filter(({ answer }) => hasOpened(answer)).map(({ kmsKeyArn }) => kmsKeyArn);
  const materials = wrappings.flatMap(({ kmsKeyArn, answer }) => {
    const keyMaterialId = materialOf(answer);
    return keyMaterialId === undefined ? [] : [{ kmsKeyArn, keyMaterialId }];
  });
  return {
    keyPairId,
    sequence,
    digest: pair.digest.toString("base64url"),
    state: stateOf(looked, active, request),
    activeFrom: new Date(createdAt),
    ...defined({ activeUntil: until === undefined ? undefined : new Date(until) }),
    kmsKeyArns: wrappings.map(({ kmsKeyArn }) => kmsKeyArn),
    ...defined({
      opensUnder: request.probe ? opened : undefined,
      keyMaterials: request.probe ? materials : undefined,
    }),
  };
}

function materialOf(answer: Answer): string | undefined {
  return hasOpened(answer) ? answer.keyMaterialId : undefined;
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
  if (answer === "not-asked" || hasOpened(answer)) return false;
  return !(answer instanceof KmsError && kmsFailureGroup(answer.kind) === "unavailable");
}

function isGone(answer: Answer): boolean {
  return answer instanceof KmsError && answer.kind === "key-not-found";
}

function kmsKeysOf(
  looked: readonly Looked[],
  active: VouchedKeyPair,
  request: KeyUsageRequest,
): readonly KmsKeyUsage[] {
  const uses = groupedBy(looked, ({ wrappings }) => wrappings.map(({ kmsKeyArn }) => kmsKeyArn));
  return [...uses].map(([kmsKeyArn, used]): KmsKeyUsage => {
    const answersOf = ({ wrappings }: Looked) =>
      wrappings.filter((one) => one.kmsKeyArn === kmsKeyArn).map(({ answer }) => answer);
    const answers = used.flatMap(answersOf);
    return {
      kmsKeyArn,
      ...wrapperUsage(used, kmsKeyArn, active, request),
      ...(request.probe
        ? { opens: verdictOf(answers), ...materialsOf(used, kmsKeyArn, active, request, answersOf) }
        : {}),
      ...defined({ error: answers.find((answer) => answer instanceof RecordingKeyStoreError) }),
    };
  });
}

function materialsOf(
  used: readonly Looked[],
  kmsKeyArn: string,
  active: VouchedKeyPair,
  request: KeyUsageRequest,
  answersOf: (one: Looked) => readonly Answer[],
): Required<Pick<KmsKeyUsage, "keyMaterials" | "keyPairsOfUnknownMaterial">> {
  const idsOf = (one: Looked) => answersOf(one).flatMap((answer) => materialOf(answer) ?? []);
  const keyMaterials = [...groupedBy(used, idsOf)].map(([keyMaterialId, wrapped]): KeyMaterialUsage => {
    return { keyMaterialId, ...wrapperUsage(wrapped, kmsKeyArn, active, request) };
  });
  const unknown = used.filter((one) => idsOf(one).length === 0);
  return { keyMaterials, keyPairsOfUnknownMaterial: unknown.length };
}

/** How pairs need what wraps their private halves under a KMS key. */
function wrapperUsage(
  used: readonly Looked[],
  kmsKeyArn: string,
  active: VouchedKeyPair,
  { probe, retention }: KeyUsageRequest,
): WrapperUsage {
  const helps = ({ answer }: Looked["wrappings"][number]) => !probe || hasOpened(answer);
  const isActive = used.some(({ pair, isAhead }) => isAhead || pair.digest.equals(active.digest));
  const lastActive = isActive ? undefined : Math.max(...used.map(({ until = 0 }) => until));
  const onlyHere = used.filter(({ wrappings }) => !wrappings.some((one) => one.kmsKeyArn !== kmsKeyArn && helps(one)));
  return {
    keyPairs: used.length,
    keyPairsOnlyHere: onlyHere.length,
    active: isActive,
    ...defined({
      lastActive: lastActive === undefined ? undefined : new Date(lastActive),
      retirableFrom: lastActive === undefined || retention === undefined ? undefined : new Date(lastActive + retention),
    }),
  };
}

/** Pairs by names that each has, one or several: of pairs that come newest first, in the order of the newest that has it. */
function groupedBy(looked: readonly Looked[], namesOf: (one: Looked) => readonly string[]): Map<string, Looked[]> {
  const groups = new Map<string, Looked[]>();
  for (const one of looked) {
    for (const name of new Set(namesOf(one))) {
      const group = groups.get(name);
      if (group) group.push(one);
      else groups.set(name, [one]);
    }
  }
  return groups;
}

function verdictOf(answers: readonly Answer[]): "yes" | "some" | "no" | "unknown" {
  if (answers.every(hasOpened)) return "yes";
  if (answers.some(hasOpened)) return "some";
  return answers.every(isRefusal) ? "no" : "unknown";
}
