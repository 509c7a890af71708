import type { KeyPairInfo } from "../../src/key-pairs/operations/history.js";
import type { RecordingKeyStore } from "../../src/key-store/recording-key-store.js";
import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { kmsKeyAliasArn, kmsWith } from "../support/kms-known-to-all.js";
import type { KillReport } from "./kills.js";
import type { Said } from "./said.js";
import { keyStoreOver } from "./key-store-over.js";

interface Recorded {
  /** Base64. */
  readonly recording: string;
  readonly under: string;
}

/**
 * One organization whose processes are killed, and what was acknowledged to them. The alias points to another KMS key in each
 * of their lives.
 */
export class KillTrial {
  readonly #store: KeyPairStore;
  readonly #organizationId: string;
  readonly #report: KillReport;
  readonly #pairs = new Set<string>();
  readonly #recordings: Recorded[] = [];

  constructor(store: KeyPairStore, organizationId: string, report: KillReport) {
    this.#store = store;
    this.#organizationId = organizationId;
    this.#report = report;
  }

  /** Checks after a kill that nothing of what was acknowledged is lost, and that the key can be changed. */
  async lookAfter(life: number, said: readonly Said[]): Promise<void> {
    const earlier = [...this.#recordings];
    const recorded = said.filter((line) => "recording" in line);
    for (const line of said) if ("pair" in line) this.#acknowledged(line.pair);
    const pod = this.#pod(life);
    const before = await this.#history(pod);
    for (const one of recorded) await this.#opens(pod, one, `after kill ${life}`);
    this.#recordings.push(...recorded);
    this.#report.recordings += recorded.length;
    const rewraps = said.filter((line) => "rewrapped" in line).length;
    this.#report.rewraps += rewraps;
    if (rewraps > 0) {
      const withoutOldKeys = this.#pod(life, { onlyThis: true });
      for (const one of earlier) await this.#opens(withoutOldKeys, one, `without the KMS keys before ${life}`);
    }
    await this.#change(life, before.length);
  }

  /** Checks in the end that all opens under the newest KMS key alone, and that orphans are few and go. */
  async end(life: number, kills: number): Promise<void> {
    const host = this.#host(life);
    const { complete, failed } = await host.rewrapKeyPairs();
    if (!complete) this.#fault(`${failed.length} pairs can't be rewrapped`);
    const history = await this.#history(host);
    const stored = await this.#store.listKeyPairs(this.#organizationId, { limit: 10_000 });
    const { removed, kept } = await host.removeOrphanedKeyPairs();
    this.#report.orphansRemoved += removed.length;
    this.#report.orphansKept += kept.length;
    if (removed.length + kept.length !== stored.length - history.length)
      this.#fault(`${stored.length} pairs are stored, of which ${history.length} are the history's`);
    // A process that is killed leaves at most the pair that it was about to make the active one.
    if (kept.length > kills) this.#fault(`${kept.length} orphans of ${kills} kills`);
    const again = await host.removeOrphanedKeyPairs();
    if (again.removed.length > 0 || again.kept.length !== kept.length) this.#fault("orphans that come back");
    const pod = this.#pod(life, { onlyThis: true });
    await this.#history(pod);
    for (const one of this.#recordings) await this.#opens(pod, one, "in the end");
  }

  /** As a process that starts where the others were killed. */
  #host(life: number): RecordingKeyStore {
    return keyStoreOver(this.#store, this.#organizationId, kmsWith(life));
  }

  /** As a process that starts where nobody remembers anything. */
  #pod(life: number, keys: { onlyThis?: boolean } = {}): RecordingKeyStore {
    const lastConfirmed = new MemoryLastConfirmedStore();
    return keyStoreOver(this.#store, this.#organizationId, kmsWith(life, keys), { lastConfirmed });
  }

  /** Changes key or settings as the next process would. */
  async #change(life: number, length: number): Promise<void> {
    const host = this.#host(life);
    // In the first life nothing may have been configured yet.
    const { keyPairId } =
      life % 2 === 0
        ? await host.rotate()
        : (await host.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" })).keyPair;
    this.#acknowledged(keyPairId);
    const history = await this.#history(this.#pod(life));
    if (history.length <= length) this.#fault(`no new pair by ${life % 2 === 0 ? "rotate()" : "configure()"}`);
    const { body, keyPairId: under } = await host.encryptRecording(Buffer.from("audio"), { recordingId: "r" });
    this.#recordings.push({ recording: Buffer.from(body).toString("base64"), under });
    this.#report.recordings += 1;
  }

  /** The history, in which every acknowledged pair is, and exactly one of each sequence, the newest of them active. */
  async #history(keyStore: RecordingKeyStore): Promise<KeyPairInfo[]> {
    const { configured } = await keyStore.status();
    const history: KeyPairInfo[] = [];
    if (configured) {
      let cursor: string | undefined;
      do {
        const page = await keyStore.keyPairs({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
        if (page.storeError) this.#fault(`the history says ${page.storeError.message}`);
        history.push(...page.items);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
    }
    const ids = new Set(history.map(({ keyPairId }) => keyPairId));
    for (const keyPairId of this.#pairs) if (!ids.has(keyPairId)) this.#fault(`key pair ${keyPairId} is lost`);
    const sequences = history.map(({ sequence }) => sequence);
    if (sequences.some((sequence, index) => sequence !== history.length - index))
      this.#fault(`the history is ${sequences.join(", ")}`);
    const active = history.flatMap((pair, index) => (pair.active ? [index] : []));
    if (configured && active.join() !== "0") this.#fault(`active of the history: ${active.join(", ")}`);
    return history;
  }

  #acknowledged(keyPairId: string): void {
    if (!this.#pairs.has(keyPairId)) this.#report.pairs += 1;
    this.#pairs.add(keyPairId);
  }

  async #opens(keyStore: RecordingKeyStore, { recording, under }: Recorded, when: string): Promise<void> {
    try {
      const { body } = await keyStore.decryptRecording(Buffer.from(recording, "base64"), { recordingId: "r" });
      if (Buffer.from(body).toString() !== "audio") this.#fault(`a recording of ${under} is another ${when}`);
    } catch (error) {
      this.#fault(`a recording of ${under} is lost ${when}: ${String(error)}`);
    }
  }

  #fault(what: string): void {
    this.#report.faults.push(`${this.#organizationId}: ${what}`);
  }
}
