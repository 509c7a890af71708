import { elapsedSince, momentOf, type Clock, type Moment } from "../../clock.js";
import type { EventSink } from "../../events.js";
import { isKmsKeyArn, sameAccountAndRegion } from "../../kms/arn.js";
import { kmsFailureKinds, type KmsFailureKind } from "../../kms/kms-error.js";
import { defined } from "../../util/defined.js";
import type { StatusDocument } from "../documents.js";
import type { VouchedKeyPair } from "../trust.js";
import type { FleetWord } from "./fleet-word.js";

/** Where a pair's alias leads, where that is not to the KMS key of the pair. */
export interface AliasTarget {
  /** The KMS key that it names now; missing where KMS did not tell. */
  readonly kmsKeyArn?: string;
  /** Why KMS refuses what the alias leads to, though not the pair's own KMS key. */
  readonly refusal?: KmsFailureKind;
}

/** That the alias leads elsewhere. */
export interface AliasDrift extends AliasTarget {
  /** When a worker first saw it, in ms since the Unix epoch. */
  readonly since: number;
}

/** What is known of the alias of one pair. */
interface Known {
  readonly digest: Buffer;
  /** When this process took the pair up. */
  readonly takenUpAt: Moment;
  /** When a worker last looked where the alias leads, whether or not KMS told. */
  readonly lookedAt?: Moment;
  /** When KMS last told a worker; with `drift` that it leads elsewhere. */
  readonly seenAt?: Moment;
  readonly drift?: AliasDrift;
}

/** When KMS told where an alias leads, and since when that is known, in ms since the Unix epoch. */
interface Sight {
  readonly seenAt: Moment;
  readonly since: number;
}

/** Time between two looks in the background, in ms: nothing depends on when an alias is seen to be moved. */
export const aliasLookEvery = 3_600_000;
/** Longest time for which another worker's look counts, in ms, so that an old word that is brought back hides little. */
const countsFor = 2 * aliasLookEvery;

/**
 * Remembers where the alias of the active pair leads, and tells of an alias that was pointed at another KMS key. Recordings stay
 * with the pair: only a change of key moves them.
 */
export class AliasWatch {
  readonly #clock: Clock;
  readonly #emit: EventSink;
  #known: Known | undefined;

  constructor(clock: Clock, emit: EventSink) {
    this.#clock = clock;
    this.#emit = emit;
  }

  driftOf(pair: VouchedKeyPair): AliasDrift | undefined {
    return this.#of(pair)?.drift;
  }

  /** A pair is in use from now on. It knows nothing of the alias of the one before. */
  takeUp(pair: VouchedKeyPair): void {
    if (this.#of(pair)) return;
    const before = this.#known?.drift;
    this.#known = { digest: pair.digest, takenUpAt: momentOf(this.#clock) };
    if (before) this.#emit("aliasDriftEnded", { since: before.since });
  }

  isLookDue(pair: VouchedKeyPair): boolean {
    const known = this.#of(pair);
    return known !== undefined && elapsedSince(known.lookedAt ?? known.takenUpAt, this.#clock) >= aliasLookEvery;
  }

  /** Takes note that a worker looks now, whatever comes of it. */
  looking(pair: VouchedKeyPair): void {
    const known = this.#of(pair);
    if (known) this.#known = { ...known, lookedAt: momentOf(this.#clock) };
  }

  /** Takes note of what this worker has found. @param target - where the alias leads; `undefined` for the pair's own KMS key */
  found(pair: VouchedKeyPair, target: AliasTarget | undefined): void {
    const seenAt = momentOf(this.#clock);
    this.#note(pair, target, { seenAt, since: seenAt.wall });
  }

  /** What the other workers are told; `undefined` while KMS has told nobody. */
  told(pair: VouchedKeyPair): StatusDocument["alias"] {
    const { seenAt, drift } = this.#of(pair) ?? {};
    return seenAt && { at: seenAt.wall, ...drift };
  }

  /** Learns what another worker has found since this one knows something. @param word - about this pair */
  learn(pair: VouchedKeyPair, { alias }: FleetWord): void {
    const known = this.#of(pair);
    if (!alias || !known || (known.seenAt && alias.at <= known.seenAt.wall)) return;
    const { wall, monotonic } = momentOf(this.#clock);
    const age = wall - alias.at;
    const target = targetOf(alias, pair);
    if (age < 0 || age > countsFor || target === "unknown") return;
    const seenAt = { wall: alias.at, monotonic: monotonic - age };
    this.#note(pair, target, { seenAt, since: Math.min(alias.since ?? wall, wall) });
  }

  #of(pair: VouchedKeyPair): Known | undefined {
    return this.#known?.digest.equals(pair.digest) ? this.#known : undefined;
  }

  #note(pair: VouchedKeyPair, target: AliasTarget | undefined, { seenAt, since }: Sight): void {
    const known = this.#of(pair);
    if (!known) return;
    const { drift: before, ...rest } = known;
    const isKnown = target !== undefined && before !== undefined && isSame(target, before);
    const drift = isKnown ? before : target && { ...target, since };
    const lookedAt = known.lookedAt && known.lookedAt.wall > seenAt.wall ? known.lookedAt : seenAt;
    this.#known = { ...rest, seenAt, lookedAt, ...defined({ drift }) };
    if (isKnown) return;
    const { kmsKeyAliasArn } = pair.birth;
    if (drift) this.#emit("aliasDrift", { kmsKeyAliasArn, ...defined({ kmsKeyArn: drift.kmsKeyArn }), since });
    else if (before) this.#emit("aliasDriftEnded", { since: before.since });
  }
}

/** Whether an alias leads where it led before. A worker that can't tell the KMS key's name takes no name from the others. */
function isSame(target: AliasTarget, before: AliasTarget): boolean {
  if (target.refusal !== before.refusal) return false;
  return target.kmsKeyArn === before.kmsKeyArn || (target.refusal === undefined && target.kmsKeyArn === undefined);
}

/** Where another worker says that the alias leads; `unknown` for what no worker of this version says. */
function targetOf(
  { since, kmsKeyArn, refusal }: NonNullable<StatusDocument["alias"]>,
  { birth }: VouchedKeyPair,
): AliasTarget | undefined | "unknown" {
  if (since === undefined) return undefined;
  const isPossible =
    kmsKeyArn === undefined || (isKmsKeyArn(kmsKeyArn) && sameAccountAndRegion(kmsKeyArn, birth.kmsKeyAliasArn));
  const kind = kmsFailureKinds.find((one) => one === refusal);
  if (!isPossible || (refusal !== undefined && !kind)) return "unknown";
  return defined({ kmsKeyArn, refusal: kind });
}
