import { AliasWatch } from "../../src/key-pairs/active/alias-watch.js";
import { ActiveKeyPairs } from "../../src/key-pairs/active/active-key-pair.js";
import type { KeyPairContext } from "../../src/key-pairs/context.js";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import { FleetStatus } from "../../src/key-pairs/active/fleet-status.js";
import { KeyHealth } from "../../src/key-pairs/active/health.js";
import { LastConfirmedKeyPair } from "../../src/key-pairs/active/last-confirmed.js";
import { claimDigest, type BornKeyPair, type ClaimedKeyPair, type KeyPairParts } from "../../src/key-pairs/key-pair.js";
import type { UnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { KmsCalls, type NewKeyPair } from "../../src/key-pairs/kms-calls.js";
import { PrivateKeyCustody } from "../../src/key-pairs/custody/private-key-custody.js";
import { KeyPairRecords } from "../../src/key-pairs/records.js";
import { KeyRotation } from "../../src/key-pairs/active/rotation.js";
import { Trust, type VouchedKeyPair } from "../../src/key-pairs/trust.js";
import type { PeriodicKeyChange, KeyStoreConfiguration } from "../../src/format/vocabulary.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import type { KeyPairStore } from "../../src/index.js";
import { Operations } from "../../src/operations.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../../src/testing/index.js";

export const organizationId = "org-1";
const homeRegion = "eu-west-1";
const accountId = "000000000000";
const alias = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
const contextKeyName = "genesys-cloud-organization-id";
const day = 86_400_000;
const hour = 3_600_000;
const times = { privateKeyTtl: 60_000, confirmEvery: 900_000, confirmTimeout: 500, headTtl: 60_000 };

const periods = ["daily", "weekly", "monthly", "yearly"] as const;

/** What the worker of an index asks for: by its period one can tell whose settings a pair has. */
export function configurationOf(worker: number): KeyStoreConfiguration {
  return { kmsKeyAliasArn: alias, periodicKeyChange: periods[worker + 1]!, keyPairSpec: "X25519" };
}

/** The number by which the model knows the settings of a period: 0 is nobody's. */
export function settingsOf(period: PeriodicKeyChange): number {
  return periods.findIndex((known) => known === period);
}

/** Where a run makes its pairs: the alias may have moved on before any of them. */
export interface Maker {
  readonly name: string;
  readonly aliasMoves: () => number;
}

/**
 * One KMS for thousands of runs, which answers a question of an earlier run as it did then: of each pair there is the
 * same one in every run, and the crypto of it is done once.
 */
export class RotationParts {
  readonly clock = new TestClock();
  readonly #kms = new InMemoryKms({ clock: this.clock });
  readonly provider = new InMemoryKmsProvider(this.#kms);
  /** Of the KMS keys at which the alias points one after the other. */
  readonly keyArns = [0, 1].map(() => this.#kms.createKey({ region: homeRegion }));
  readonly #made = new Map<string, Promise<ClaimedKeyPair>>();
  readonly #answers = new Map<string, Promise<unknown>>();

  constructor() {
    this.#kms.createAlias("alias/recordings", this.#keyArn(0));
  }

  /** A store with a first pair, which a daily change has been due for since yesterday. */
  async configured(): Promise<{ store: MemoryKeyPairStore; first: VouchedKeyPair }> {
    const store = new MemoryKeyPairStore();
    const { rotation } = this.worker(store, { name: "first", aliasMoves: () => 0 });
    const first = await rotation.rotate({ configuration: configurationOf(-1) });
    this.clock.advance(2 * day + hour);
    return { store, first };
  }

  /** A worker in a process of its own. */
  worker(store: KeyPairStore, maker: Maker) {
    const { clock } = this;
    const calls = new RememberedCalls(this, maker);
    const records = new KeyPairRecords(organizationId, store, hour);
    const anchor = new TrustAnchor([accountId]);
    const disowned = new DisownedClaims();
    const trust = new Trust({ anchor, homeRegion, contextKeyNames: [contextKeyName], calls, disowned, clock });
    const emit = () => undefined;
    const aliasWatch = new AliasWatch(clock, emit);
    const context: KeyPairContext = {
      organizationId,
      contextKeyName,
      records,
      feed: undefined, // whose look may be left behind, and a schedule has one call at a time
      calls,
      trust,
      pendingTakeUps: new Map(),
      lastConfirmedPair: new LastConfirmedKeyPair(organizationId, {}, trust, hour),
      fleet: new FleetStatus(records, undefined, aliasWatch, clock),
      alias: aliasWatch,
      custody: new PrivateKeyCustody(clock),
      health: new KeyHealth(clock, emit),
      clock,
      emit,
      operations: new Operations(organizationId),
      times,
    };
    const active = new ActiveKeyPairs(context);
    return { context, active, rotation: new KeyRotation(context, active) };
  }

  made(name: string, aliasMoves: number, make: () => Promise<ClaimedKeyPair>): Promise<ClaimedKeyPair> {
    let pair = this.#made.get(name);
    if (!pair) {
      this.#kms.pointAlias(alias, this.#keyArn(aliasMoves));
      this.#made.set(name, (pair = make()));
    }
    return pair;
  }

  answered<T>(question: string, ask: () => Promise<T>): Promise<T> {
    let answer = this.#answers.get(question) as Promise<T> | undefined;
    if (!answer) this.#answers.set(question, (answer = ask()));
    return answer;
  }

  #keyArn(index: number): string {
    return this.keyArns[index]!;
  }
}

class RememberedCalls extends KmsCalls {
  readonly #parts: RotationParts;
  readonly #maker: Maker;
  #made = 0;

  constructor(parts: RotationParts, maker: Maker) {
    super(parts.provider, [homeRegion]);
    this.#parts = parts;
    this.#maker = maker;
  }

  override make(request: NewKeyPair, signal?: AbortSignal): Promise<ClaimedKeyPair> {
    this.#made += 1;
    const moves = this.#maker.aliasMoves();
    const { previousDigest, ...rest } = request;
    const asked = JSON.stringify([rest, previousDigest?.toString("hex"), moves]);
    return this.#parts.made(`${this.#maker.name} ${this.#made} ${asked}`, moves, () => super.make(request, signal));
  }

  override attests(pair: BornKeyPair & KeyPairParts): Promise<boolean> {
    return this.#parts.answered(`attests ${claimDigest(pair)}`, () => super.attests(pair));
  }

  override unwrapHalf(...[pair, wrapping]: Parameters<KmsCalls["unwrapHalf"]>): Promise<UnwrappingKey> {
    const question = `unwraps ${pair.birth.keyPairId} ${wrapping.ciphertext.toString("base64")}`;
    return this.#parts.answered(question, () => super.unwrapHalf(pair, wrapping));
  }
}
