import type { KeyObject } from "node:crypto";
import type { Clock } from "../clock.js";
import type { Alias } from "./alias.js";
import { isRegionName, keyArn } from "./arn.js";
import type { CustomKeyStore } from "./custom-key-store.js";
import type { DataKeyPairs } from "./data-key-pairs.js";
import type { Grant } from "./grant.js";
import type { unwrapMaterial } from "./import-wrapping.js";
import type { KeyMaterial, RotationType } from "./key-material.js";
import type { KmsKey } from "./key.js";
import { contentsOf, snapshotOf, type KmsSnapshot } from "./snapshot.js";

export type { Alias } from "./alias.js";

/** Members that an item must have. */
interface Filter {
  accountId?: string;
  region?: string;
  keyId?: string;
}

interface ImportParameters {
  readonly keyArn: string;
  readonly algorithm: Parameters<typeof unwrapMaterial>[0];
  readonly privateKey: KeyObject;
  /** In ms since the Unix epoch. */
  readonly validTo: number;
}

/** Keys and aliases of all accounts and Regions. Deletions and rotations that have come due happen on reading. */
export class KmsState {
  readonly dataKeyPairs: DataKeyPairs;
  readonly #clock: Clock;
  readonly #keys = new Map<string, KmsKey>();
  readonly #aliases = new Map<string, Alias>();
  readonly #keyStores = new Map<string, CustomKeyStore>();
  readonly #materials = new Map<string, { accountId: string; keyId: string }>();

  readonly #regions: readonly string[] | undefined;

  /** @param regions - Regions that exist. Default: all that are named as AWS names its Regions */
  constructor(clock: Clock, dataKeyPairs: DataKeyPairs, regions?: readonly string[]) {
    this.#clock = clock;
    this.dataKeyPairs = dataKeyPairs;
    this.#regions = regions;
  }

  /** Parameters of imports that were asked for, by their tokens. No snapshot has them. */
  readonly importTokens = new Map<string, ImportParameters>();

  #revision = 0;

  /**
   * Number that grows with each change. When a key was last used is none, and a change that follows from the time alone, such as the
   * end of imported material, is none either: it happens again after a restore.
   */
  get revision(): number {
    return this.#revision;
  }

  /** Notes a change that was made to a key, an alias or a key store itself. */
  changed(): void {
    this.#revision += 1;
  }

  hasRegion(region: string): boolean {
    return this.#regions?.includes(region) ?? isRegionName(region);
  }

  get now(): number {
    return this.#clock.now();
  }

  snapshot(): KmsSnapshot {
    return snapshotOf({
      keys: this.#keys.values(),
      aliases: this.#aliases.values(),
      keyStores: [...this.#keyStores.values()],
    });
  }

  /** @throws InvalidInputError for what is no snapshot, and changes nothing then */
  restore(snapshot: KmsSnapshot): void {
    const { keys, aliases, keyStores } = contentsOf(snapshot);
    this.changed();
    this.#keyStores.clear();
    for (const store of keyStores) this.putKeyStore(store);
    this.#keys.clear();
    this.#aliases.clear();
    this.#materials.clear();
    for (const key of keys) this.putKey(key);
    for (const alias of aliases) this.#aliases.set(alias.arn, alias);
  }

  putKeyStore(store: CustomKeyStore): void {
    this.changed();
    this.#keyStores.set(store.id, store);
  }

  removeKeyStore({ id }: CustomKeyStore): void {
    this.changed();
    this.#keyStores.delete(id);
  }

  /** Custom key stores, sorted by id. */
  keyStores(filter: Omit<Filter, "keyId"> = {}): CustomKeyStore[] {
    return [...this.#keyStores.values()]
      .filter(({ accountId, region }) => matches({ accountId, region, keyId: "" }, filter))
      .map((store) => store.settle(this.now))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Keys in a custom key store, those that are pending deletion too. */
  keysOfStore(store: CustomKeyStore): KmsKey[] {
    return this.keys().filter(({ keyStore }) => keyStore === store);
  }

  putKey(key: KmsKey): void {
    this.changed();
    this.#keys.set(key.arn, key);
    for (const { id } of key.material?.versions ?? []) this.#remember(id, key);
  }

  /** Puts a key in the place of one that was just made. */
  replaceKey(made: KmsKey, key: KmsKey): void {
    this.#keys.delete(made.arn);
    for (const { id } of made.material?.versions ?? []) this.#materials.delete(id);
    this.putKey(key);
  }

  key(arn: string): KmsKey | undefined {
    const key = this.#keys.get(arn);
    return key && this.#upToDate(key);
  }

  /** Keys, sorted by id as the service lists them. */
  keys(filter: Filter = {}): KmsKey[] {
    return [...this.#keys.values()]
      .filter((key) => matches(key, filter) && this.#upToDate(key))
      .sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
  }

  /** All replicas of a multi-Region key, primary included. The key alone if it is none. */
  family(key: KmsKey): KmsKey[] {
    if (!key.multiRegion) return [key];
    return this.keys({ accountId: key.accountId }).filter((other) => other.keyId === key.keyId);
  }

  replicaIn(region: string, key: KmsKey): KmsKey | undefined {
    return this.key(keyArn(region, key.accountId, key.keyId));
  }

  /** The key in a Region that has this material, and the material. */
  keyOfMaterial(materialId: string, region: string): { key: KmsKey; material: KeyMaterial } | undefined {
    const owner = this.#materials.get(materialId);
    const key = owner && this.key(keyArn(region, owner.accountId, owner.keyId));
    const material = key?.material?.find(materialId);
    return key && material && { key, material };
  }

  grantOfToken(token: string, region: string): { key: KmsKey; grant: Grant } | undefined {
    for (const key of this.keys({ region })) {
      const grant = [...key.grants.values()].find(({ tokens }) => tokens.includes(token));
      if (grant) return { key, grant };
    }
    return undefined;
  }

  /** Enables a key. If it was disabled over its rotation date, it rotates now, once. */
  enable(key: KmsKey): void {
    key.enabled = true;
    if (key.multiRegion !== "REPLICA") key.material?.postponeMissedDate(this.now);
    this.#upToDate(key);
  }

  rotate(key: KmsKey, type: RotationType): void {
    const material = key.material?.rotate(this.now, type);
    if (material) this.#remember(material.id, key);
  }

  putAlias(alias: Omit<Alias, "createdAt" | "updatedAt">): void {
    this.changed();
    this.#aliases.set(alias.arn, { ...alias, createdAt: this.now, updatedAt: this.now });
  }

  alias(arn: string): Alias | undefined {
    return this.#aliases.get(arn);
  }

  keyOfAlias(aliasArn: string): KmsKey | undefined {
    const alias = this.#aliases.get(aliasArn);
    return alias && this.key(keyArn(alias.region, alias.accountId, alias.keyId));
  }

  /** Aliases, sorted by name as the service lists them. */
  aliases(filter: Filter = {}): Alias[] {
    return [...this.#aliases.values()]
      .filter((alias) => matches(alias, filter))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  removeAlias(arn: string): void {
    this.#aliases.delete(arn);
  }

  /** Makes what has come due happen to a key. Returns `undefined` if its deletion has. */
  #upToDate(key: KmsKey): KmsKey | undefined {
    key.withdrawExpired(this.now);
    key.keyStore?.settle(this.now);
    if (key.state === "PendingReplicaDeletion") this.#removeDueReplicas(key);
    if (key.deletion?.date !== undefined && key.deletion.date <= this.now) {
      this.#remove(key);
      return undefined;
    }
    if (this.#rotatesByItself(key))
      for (const { id } of key.material?.rotateIfDue(this.now) ?? []) this.#remember(id, key);
    return key;
  }

  /** False while the key, or the primary of a multi-Region key, is disabled or pending deletion. */
  #rotatesByItself(key: KmsKey): boolean {
    if (!key.material?.automatic) return false;
    const primary = key.multiRegion === "REPLICA" ? this.#primaryOf(key) : key;
    return primary?.state === "Enabled";
  }

  #primaryOf(replica: KmsKey): KmsKey | undefined {
    return [...this.#keys.values()].find(
      ({ keyId, accountId, multiRegion }) =>
        multiRegion === "PRIMARY" && keyId === replica.keyId && accountId === replica.accountId,
    );
  }

  #removeDueReplicas(primary: KmsKey): void {
    for (const key of [...this.#keys.values()]) {
      if (key !== primary && key.keyId === primary.keyId && key.accountId === primary.accountId) this.#upToDate(key);
    }
  }

  #remember(materialId: string, { accountId, keyId }: KmsKey): void {
    this.changed();
    this.#materials.set(materialId, { accountId, keyId });
  }

  #remove(key: KmsKey): void {
    this.changed();
    this.#keys.delete(key.arn);
    for (const alias of this.aliases(key)) this.#aliases.delete(alias.arn);
    this.#startWaitingPeriod(key);
  }

  /** Starts the waiting period of a primary key whose last replica is gone. */
  #startWaitingPeriod(removed: KmsKey): void {
    const [last, ...others] = this.family(removed);
    if (!last?.deletion || others.length > 0 || last.deletion.date !== undefined) return;
    const since = removed.deletion?.date ?? this.now;
    last.deletion.date = since + last.deletion.windowInDays * 86_400_000;
  }
}

function matches(item: Required<Filter>, filter: Filter): boolean {
  return (
    (filter.accountId === undefined || filter.accountId === item.accountId) &&
    (filter.region === undefined || filter.region === item.region) &&
    (filter.keyId === undefined || filter.keyId === item.keyId)
  );
}
