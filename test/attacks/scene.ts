import { expect } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { heal } from "./hosts.js";
import { rotatedSomehow } from "./operator.js";
import type { Attack } from "./toolbox.js";
import {
  audio,
  everyPair,
  fleetSecret,
  historyOf,
  minute,
  opens,
  organizationId,
  second,
  world,
  type Host,
  type HostOptions,
  type World,
} from "./world.js";

const recordingId = "r";

interface Made {
  readonly body: Uint8Array;
  readonly keyPairId: string;
  readonly confirmation: "confirmed" | "unconfirmed";
  /** What had been done when it was made. */
  readonly after: string;
  /** KMS gave no verdict while it was made, or half a minute before. */
  readonly inSilence: boolean;
}

/** A host whose processes come and go. */
interface Place {
  readonly options: HostOptions;
  lastConfirmed: MemoryLastConfirmedStore;
  process: Host;
}

/** Something that somebody does. */
export interface Deed {
  readonly name: string;
  readonly run: (scene: Scene) => Promise<unknown>;
  /** It goes on while the next ones happen. */
  readonly meanwhile?: boolean;
}

/** An organization, three hosts and an attacker, and everything that was recorded meanwhile. */
export class Scene {
  readonly parts: World;
  readonly done: string[] = [];
  readonly #options: HostOptions;
  readonly #places: Place[] = [];
  readonly #made: Made[] = [];
  readonly #wereActive = new Set<string>();
  readonly #heads: Uint8Array[] = [];
  readonly #statuses: Uint8Array[] = [];
  readonly #underWay: Promise<unknown>[] = [];
  #silentAt = Number.NEGATIVE_INFINITY;
  #ambush: { calls: number; readonly attack: Attack } | undefined;

  private constructor(parts: World, fleet: boolean) {
    this.parts = parts;
    this.#options = { store: this.#ambushed(parts.store), ...(fleet ? { fleetSecret } : {}) };
    this.#heads.push(...parts.heads);
    this.#statuses.push(...parts.statuses);
    for (const keyPairId of parts.keyPairIds) this.#wereActive.add(keyPairId);
  }

  static async begin(fleet: boolean): Promise<Scene> {
    const parts = await world();
    const scene = new Scene(parts, fleet);
    scene.#open({}, await parts.hostMemory());
    scene.#open({ background: false });
    scene.#open({});
    return scene;
  }

  host(index: number): Host {
    return this.#places[index % this.#places.length]!.process;
  }

  /** Starts a host's process anew, with the host's memory or on another host. */
  restart(index: number, remembers: boolean): void {
    const place = this.#places[index % this.#places.length]!;
    if (!remembers) place.lastConfirmed = new MemoryLastConfirmedStore();
    place.process = this.#start(place.options, place.lastConfirmed);
  }

  async record(index: number): Promise<void> {
    const after = this.done.join(", ");
    const before = this.#wasSilent();
    const { body, confirmation, keyPairId } = await this.host(index).encryptRecording(audio, { recordingId });
    const inSilence = before || this.#wasSilent();
    this.#made.push({ body, confirmation, keyPairId, after, inSilence });
  }

  /** An attack in the middle of what the hosts do next. */
  lieInWait(calls: number, attack: Attack): void {
    this.#ambush = { calls, attack };
  }

  async replayHead(index: number): Promise<void> {
    await this.parts.writer.point(this.#heads[index % this.#heads.length]!);
  }

  /** What hosts are told of changes to heads from now on. Not that nothing comes: that would take half a second of each look. */
  lieAboutChanges(lie: NonNullable<KeyPairStore["headChanges"]>): void {
    Object.assign(this.parts.store, { headChanges: lie });
  }

  async replayStatus(index: number): Promise<void> {
    await this.parts.writer.tell(this.#statuses[index % this.#statuses.length]!);
  }

  /** Runs a deed; that it fails is no matter. */
  async play({ name, run, meanwhile = false }: Deed): Promise<void> {
    this.done.push(meanwhile ? `${name} meanwhile` : name);
    this.#wasSilent();
    const running = run(this).catch(() => undefined);
    this.#wasSilent();
    this.#underWay.push(running);
    if (meanwhile) return;
    await running;
    await this.parts.calm();
    await this.#watch();
  }

  /** All that is under way has come to its end, KMS is well, and nobody lies in wait. */
  async #end(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.parts.calm();
    this.#ambush = undefined;
    heal(this.parts);
    this.parts.clock.advance(minute);
  }

  /** What has to hold in the end, whatever was done. */
  async check(unconfirmed: "flagged" | "never"): Promise<void> {
    await this.#end();
    const { parts } = this;
    const found: string[] = [];
    const vouched = this.#made.filter(({ confirmation }) => confirmation === "confirmed");
    if (unconfirmed === "never" && vouched.length < this.#made.length) found.push("an unconfirmed recording");
    for (const { confirmation, inSilence, after } of this.#made) {
      if (confirmation === "unconfirmed" && !inSilence) found.push(`unconfirmed although KMS answers: ${after}`);
    }
    for (const { body, after } of vouched) if (parts.writer.canOpen(body)) found.push(`a stolen recording: ${after}`);
    const owner = parts.host();
    const stored = await everyPair(parts.store);
    for (const { body, after } of [...vouched, ...this.#madeUnderGenuinePairs(stored)]) {
      if (!(await opens(owner, body, audio).catch(() => false))) found.push(`a lost recording: ${after}`);
    }
    for (const keyPairId of this.#wereActive) if (!stored.has(keyPairId)) found.push(`a lost pair: ${keyPairId}`);
    expect(found).toEqual([]);
    for (const { process } of this.#places) {
      await rotatedSomehow(process, parts.kmsKeyAliasArn);
      const made = await process.encryptRecording(audio, { recordingId });
      expect({ ...made, opens: await opens(owner, made.body, audio) }).toMatchObject({
        confirmation: "confirmed",
        opens: true,
      });
      const history = await historyOf(process);
      const forged = history.filter((keyPairId) => parts.writer.forgedIds.has(keyPairId));
      expect({ forged, first: history.at(-1) }).toEqual({ forged: [], first: parts.keyPairIds[0] });
    }
  }

  /** Everything recorded under a vouched pair opens without the KMS key of which rewrapping says that it may go. */
  async checkRewrapping(): Promise<void> {
    await this.#end();
    const { parts } = this;
    const { kms, keyArn, kmsKeyAliasArn } = parts;
    const [, , , region, accountId] = keyArn.split(":") as [string, string, string, string, string];
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region, policy: kms.getKeyPolicy(keyArn) }));
    const operator = this.host(0);
    await rotatedSomehow(operator, kmsKeyAliasArn);
    const { complete } = await operator.rewrapKeyPairs();
    if (!complete) return;
    kms.disableKey(keyArn);
    const owner = parts.host();
    for (const { body, confirmation, after } of this.#made) {
      if (confirmation !== "confirmed") continue;
      const opened = await opens(owner, body, audio).catch(() => false);
      expect({ opened, after }).toEqual({ opened: true, after });
    }
    for (const [index, { body }] of parts.past.entries()) {
      expect(await opens(owner, body, audio, `past-${index}`).catch(() => false)).toBe(true);
    }
  }

  /** Unconfirmed recordings under pairs that were genuine all the same, and are no spoilt copies now. */
  #madeUnderGenuinePairs(stored: ReadonlyMap<string, Uint8Array>): Made[] {
    const { writer, genuine } = this.parts;
    return this.#made.filter(({ confirmation, keyPairId, body }) => {
      const before = genuine.get(keyPairId);
      const now = stored.get(keyPairId);
      const spoilt = before !== undefined && now !== undefined && !Buffer.from(now).equals(before);
      return confirmation === "unconfirmed" && !writer.forgedIds.has(keyPairId) && !writer.canOpen(body) && !spoilt;
    });
  }

  #open(options: HostOptions, lastConfirmed = new MemoryLastConfirmedStore()): void {
    this.#places.push({ options, lastConfirmed, process: this.#start(options, lastConfirmed) });
  }

  #start(options: HostOptions, lastConfirmed: MemoryLastConfirmedStore): Host {
    const process = this.parts.host({ ...this.#options, ...options, lastConfirmed });
    process.on("keyPairConfirmed", ({ keyPairId }) => void this.#wereActive.add(keyPairId));
    return process;
  }

  /** The store as the hosts see it. */
  #ambushed(store: KeyPairStore): KeyPairStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]): Promise<unknown> => {
          const waiting = this.#ambush;
          if (waiting && (waiting.calls -= 1) < 0) {
            this.#ambush = undefined;
            await waiting.attack.act(this.parts).catch(() => undefined);
          }
          return value.apply(target, args) as unknown;
        };
      },
    });
  }

  /** Whether KMS gives no verdict, or gave none up to half a minute ago. The oldest fault decides. */
  #wasSilent(): boolean {
    const { kms, clock } = this.parts;
    const fault = kms.faults.active().find(({ kind }) => kind !== "latency");
    if (fault?.kind === "connection-refused") this.#silentAt = clock.now();
    return clock.now() - this.#silentAt <= 30 * second;
  }

  /** What an attacker who watches the store has seen of it. */
  async #watch(): Promise<void> {
    const head = await this.parts.store.readHead(organizationId);
    const status = await this.parts.store.readStatus(organizationId);
    if (head) this.#heads.push(head.document);
    if (status) this.#statuses.push(status);
  }
}
