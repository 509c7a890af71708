import { RecordingKeyStore, RecordingKeyStoreError, type KeyPairStore, type KmsProvider } from "../../src/index.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { encodeStatus, FleetSecret } from "../../src/key-pairs/active/fleet-word.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import { keyPairDocument } from "../../src/key-pairs/records.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import {
  InMemoryKms,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
} from "../../src/testing/index.js";
import type { StoredHead } from "../../src/stores/key-pair-store.js";
import { overridden } from "../support/setup.js";
import { refusalOf, sequences, type PairName, type VerdictCase } from "./verdict-cases.js";
import { statusOf } from "../../src/key-pairs/active/fleet-status.js";
import { kmsError } from "../../src/kms/index.js";

const organizationId = "org-1";
const homeRegion = "eu-west-1";
const accountId = "000000000000";
const contextKeyName = "genesys-cloud-organization-id";
const yesterday = 86_400_000;
/** Longer than `headTtl`, and so short that nothing is to be confirmed again. */
const aLook = 61_000;
const secret = new Uint8Array(32).fill(7);
const names = ["O", "P", "Q", "F"] as const;

/** The pairs of all cases: O, P and Q one after the other under one KMS key, and F, which is no pair of that key's. */
export interface VerdictPairs {
  readonly kms: InMemoryKms;
  readonly pairs: Readonly<Record<PairName, ClaimedKeyPair>>;
  readonly answers: Map<string, ReturnType<KmsProvider["decrypt"]>>;
}

export async function verdictPairs(): Promise<VerdictPairs> {
  const [kms, forgersKms] = [new InMemoryKms(), new InMemoryKms()];
  const keyArn = kms.createKey({ region: homeRegion, alias: "alias/recordings" });
  forgersKms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const make = (of: InMemoryKms, name: PairName, previous?: ClaimedKeyPair) =>
    new KmsCalls(new InMemoryKmsProvider(of), [homeRegion]).make({
      organizationId,
      sequence: sequences[name],
      spec: "X25519",
      createdAt: new TestClock().now(),
      ...(previous ? { previousDigest: previous.digest } : {}),
      kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`,
      periodicKeyChange: "never",
      scheduleAnchor: new TestClock().now(),
      contextKeyName,
      purpose: "key-pair",
      reason: "on-demand",
    });
  const O = await make(kms, "O");
  const P = await make(kms, "P", O);
  const Q = await make(kms, "Q", P);
  const made = await make(forgersKms, "F", Q);
  // Every word of it is as it should be; only KMS can tell.
  const of = <T extends object>(ciphertext: T) => ({ ...ciphertext, kmsKeyArn: keyArn });
  const F = { ...made, wrapping: of(made.wrapping), attestation: of(made.attestation) };
  return { kms, pairs: { O, P, Q, F }, answers: new Map() };
}

interface Question {
  readonly pair: PairName | undefined;
  answer?: "confirmed" | "disowned";
}

/** KMS as a case has it, and every question that it was asked. */
class VerdictKms implements KmsProvider {
  mode: VerdictCase["kms"] = "answers";
  refusal: ReturnType<typeof refusalOf> = "access-denied";
  /** The one that is disowned. */
  disowns: PairName | undefined;
  readonly questions: Question[] = [];
  readonly #kms: InMemoryKmsProvider;
  readonly #of: VerdictPairs;
  #late: (() => void)[] = [];
  #underWay = 0;

  constructor(of: VerdictPairs) {
    this.#kms = new InMemoryKmsProvider(of.kms);
    this.#of = of;
  }

  describeKey: KmsProvider["describeKey"] = (...request) => this.#kms.describeKey(...request);
  encrypt: KmsProvider["encrypt"] = (...request) => this.#kms.encrypt(...request);
  generateDataKeyPair: KmsProvider["generateDataKeyPair"] = (...request) => this.#kms.generateDataKeyPair(...request);

  decrypt: KmsProvider["decrypt"] = async (request) => {
    const digests = Object.values(request.encryptionContext);
    const pair = names.find((name) => digests.includes(this.#of.pairs[name].digest.toString("base64url")));
    const question: Question = { pair };
    this.questions.push(question);
    this.#underWay += 1;
    try {
      await this.#answer(pair);
      const { keyArn, plaintext } = await this.#opened(request);
      question.answer = "confirmed";
      return { keyArn, plaintext: Uint8Array.from(plaintext) };
    } catch (error) {
      if ((error as { kind?: string }).kind === "invalid-ciphertext") question.answer = "disowned";
      throw error;
    } finally {
      this.#underWay -= 1;
    }
  };

  /** Whether nobody waits for an answer that is going to come by itself. */
  get isQuiet(): boolean {
    return this.#underWay === this.#late.length;
  }

  get isAwaited(): boolean {
    return this.#late.length > 0;
  }

  /** What is late comes now, and nothing is late any more. */
  arrive(): void {
    if (this.mode === "comes late") this.mode = "answers";
    for (const answer of this.#late.splice(0)) answer();
  }

  /** What KMS says to the same question is the same in every case. */
  #opened(request: Parameters<KmsProvider["decrypt"]>[0]): ReturnType<KmsProvider["decrypt"]> {
    const name = JSON.stringify([request.encryptionContext, Buffer.from(request.ciphertext).toString("base64")]);
    let answer = this.#of.answers.get(name);
    if (!answer) this.#of.answers.set(name, (answer = this.#kms.decrypt(request)));
    return answer;
  }

  async #answer(pair: PairName | undefined): Promise<void> {
    const fail = (kind: Parameters<typeof kmsError>[0]) =>
      kmsError(kind, { operation: "Decrypt", message: `KMS ${this.mode}` });
    if (this.mode === "comes late") await new Promise<void>((answer) => this.#late.push(answer));
    else if (this.mode === "refuses") throw fail(this.refusal);
    else if (this.mode === "is away") throw fail("unreachable");
    else if (this.mode === "disowns" && pair === this.disowns) throw fail("invalid-ciphertext");
  }
}

/** What came of encrypting once. */
export interface Seen {
  readonly uses: string;
  readonly confirmation?: string;
  readonly vouchedBy?: string;
  readonly usedLastKnownKey?: boolean;
}

/** One process in one case. */
export class VerdictRun {
  kms: VerdictKms;
  readonly #given: VerdictCase;
  readonly #of: VerdictPairs;
  readonly #clock = new TestClock();
  readonly #host = new MemoryLastConfirmedStore();
  readonly #store: KeyPairStore;
  #head: StoredHead | undefined;
  #status: Uint8Array | undefined;
  #keyStore: RecordingKeyStore;

  constructor(of: VerdictPairs, given: VerdictCase) {
    this.#of = of;
    this.#given = given;
    this.#store = overridden(new MemoryKeyPairStore(), {
      readHead: async () => this.#head,
      readStatus: async () => this.#status,
      writeStatus: async (_, document) => void (this.#status = document),
    });
    this.kms = new VerdictKms(of);
    this.#keyStore = this.#start();
  }

  /** Brings it about that the process holds what the case says. */
  async hold(): Promise<void> {
    const { held } = this.#given;
    for (const name of names) await this.#store.createKeyPair(storedPair(this.#of.pairs[name]));
    if (held === "nothing") return;
    this.#point("P");
    if (held === "P by fleet") this.#say("of P");
    this.kms.mode = held === "unconfirmed P" ? "is away" : "answers";
    await this.encrypt();
    const { vouchedBy, confirmation } = await this.#keyStore.status();
    const mustBe = { "unconfirmed P": "unconfirmed", "P by kms": "kms", "P by host": "kms", "P by fleet": "fleet" }[
      held
    ];
    if ((vouchedBy ?? confirmation) !== mustBe) throw new Error(`the process does not hold ${held}`);
    if (held !== "P by host") return;
    this.kms = new VerdictKms(this.#of);
    this.#keyStore = this.#start();
  }

  /** Brings the case about: head, fleet's word, KMS. Some time has passed since. */
  change(): void {
    const { head, word, kms } = this.#given;
    this.later();
    this.#point(head);
    this.#say(word);
    this.kms.questions.length = 0;
    this.kms.mode = kms;
    this.kms.refusal = refusalOf(this.#given);
    this.kms.disowns = head === "none" || head === "garbage" ? undefined : head;
  }

  later(ms = aLook): void {
    this.#clock.advance(ms);
  }

  /** Encrypts, and lets what that starts come to its end. */
  async encrypt(): Promise<Seen> {
    const seen = this.startEncrypting();
    await this.quiet();
    return seen;
  }

  async startEncrypting(): Promise<Seen> {
    try {
      const result = await this.#keyStore.encryptRecording(new Uint8Array(1), { recordingId: "recording-1" });
      const { vouchedBy } = await this.#keyStore.status();
      const { confirmation, usedLastKnownKey, keyPairId } = result;
      const uses = names.find((name) => this.#of.pairs[name].birth.keyPairId === keyPairId) ?? keyPairId;
      return { uses, confirmation, usedLastKnownKey, ...(vouchedBy ? { vouchedBy } : {}) };
    } catch (error) {
      if (error instanceof RecordingKeyStoreError) return { uses: error.code };
      throw error;
    }
  }

  /** Nothing is under way but what waits for a late answer. */
  async quiet(): Promise<void> {
    await this.#turns();
    if (this.kms.mode !== "comes late") return;
    // The time for which a late answer is waited for is over after a millisecond of the machine's clock.
    await new Promise((resolve) => setTimeout(resolve, 2));
    await this.#turns();
  }

  async #turns(): Promise<void> {
    for (let turns = 0; turns < 8; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.kms.isQuiet) turns = 0;
    }
  }

  /** A process that has just started. */
  #start(): RecordingKeyStore {
    const { kms: mode, held, requireConfirmedKey } = this.#given;
    return new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms: this.kms,
      store: this.#store,
      lastConfirmed: held === "P by host" ? this.#host : new MemoryLastConfirmedStore(),
      trustedKmsKeys: [accountId],
      fleetSecret: secret,
      requireConfirmedKey,
      confirmTimeout: mode === "comes late" ? 0 : 60_000,
      clock: this.#clock,
    });
  }

  #point(head: VerdictCase["head"]): void {
    const revision = String(Number(this.#head?.revision ?? 0) + 1);
    if (head === "none") this.#head = undefined;
    else
      this.#head = {
        revision,
        document: head === "garbage" ? Buffer.from("garbage") : headDocument(this.#of.pairs[head]),
      };
  }

  #say(word: VerdictCase["word"]): void {
    const { head } = this.#given;
    const now = this.#clock.now();
    const { P, Q, O, F } = this.#of.pairs;
    const named = head === "none" || head === "garbage" ? F : this.#of.pairs[head];
    const said = {
      none: undefined,
      "of P": signedStatus(P, now),
      "of Q": signedStatus(Q, now),
      stale: signedStatus(P, now - yesterday),
      replayed: signedStatus(O, now - yesterday),
      forged: signedStatus(named, now, new Uint8Array(32).fill(8)),
    };
    this.#status = said[word];
  }
}

/** What a worker of the fleet has written; its author vouches for the pair, not this test. */
function signedStatus(pair: ClaimedKeyPair, at: number, by = secret): Uint8Array {
  const status = statusOf(pair as VouchedKeyPair, { confirmedAt: at, at });
  return encodeStatus(new FleetSecret([by]).sign(organizationId, status));
}

function storedPair(pair: ClaimedKeyPair) {
  const { keyPairId, sequence } = pair.birth;
  return { organizationId, keyPairId, sequence, document: keyPairDocument(pair) };
}

function headDocument({ birth, digest }: ClaimedKeyPair): Uint8Array {
  const { keyPairId, sequence } = birth;
  return encodeDocument("head", { organizationId, keyPairId, sequence, digest });
}
