import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { defined } from "../util/defined.js";

export type RotationType = "AUTOMATIC" | "ON_DEMAND";

export interface KeyMaterial {
  /** 64 hexadecimal digits, as `KeyMaterialId` shows it. */
  readonly id: string;
  /** 256 bits. Absent while imported material is withdrawn, or expired. */
  secret?: KeyObject | undefined;
  /** How it became current. Absent for the first. */
  rotation?: Rotation;
  /** Of imported material. */
  imported?: ImportedFacts;
}

interface ImportedFacts {
  /** In ms since the Unix epoch. Absent for material that does not expire. */
  readonly validTo: number | undefined;
  readonly description: string | undefined;
  /** Whether it waits for a rotation on demand. Then it can be replaced. */
  readonly pendingRotation: boolean;
}

interface Rotation {
  /** In ms since the Unix epoch. */
  date: number;
  type: RotationType;
}

const millisecondsPerDay = 86_400_000;
export const maxOnDemandRotations = 25;

/** Versions of a symmetric key's secret material. The replicas of a multi-Region key share one history. */
export class KeyMaterialHistory {
  readonly #versions: KeyMaterial[];
  /** Automatic rotation, while it is enabled. */
  automatic: { periodInDays: number; nextDate: number } | undefined;

  constructor(versions: readonly KeyMaterial[] = [newMaterial()]) {
    this.#versions = [...versions];
  }

  get versions(): readonly KeyMaterial[] {
    return this.#versions;
  }

  /** Of a key without imported material: absent, whatever its type says. */
  get current(): KeyMaterial {
    return this.#versions.findLast(({ imported }) => !imported?.pendingRotation) as KeyMaterial;
  }

  /** Imported material that waits for a rotation. */
  get pending(): KeyMaterial | undefined {
    return this.#versions.find(({ imported }) => imported?.pendingRotation);
  }

  /** Whether all that ever was current is there. */
  get isComplete(): boolean {
    const lasting = this.#versions.filter(({ imported }) => !imported?.pendingRotation);
    return lasting.length > 0 && lasting.every(({ secret }) => secret !== undefined);
  }

  /** Adds a version for imported material. It is current if it is the first. */
  add(id: string): KeyMaterial {
    const pendingRotation = this.#versions.length > 0;
    const version: KeyMaterial = { id, imported: { validTo: undefined, description: undefined, pendingRotation } };
    this.#versions.push(version);
    return version;
  }

  /** Takes imported material away. What waits for a rotation leaves nothing behind. */
  withdraw(id: string): void {
    const index = this.#versions.findIndex((version) => version.id === id);
    const version = this.#versions[index];
    if (version?.imported?.pendingRotation) this.#versions.splice(index, 1);
    else if (version) version.secret = undefined;
  }

  withdrawExpired(now: number): void {
    for (const { id, imported, secret } of [...this.#versions])
      if (secret && imported?.validTo !== undefined && imported.validTo <= now) this.withdraw(id);
  }

  /** Makes the pending material current. */
  rotateToPending(date: number): void {
    const { pending } = this;
    if (!pending?.imported) return;
    pending.imported = { ...pending.imported, pendingRotation: false };
    pending.rotation = { date, type: "ON_DEMAND" };
  }

  get rotations(): readonly Required<KeyMaterial>[] {
    return this.#versions.filter((version): version is Required<KeyMaterial> => version.rotation !== undefined);
  }

  find(materialId: string): KeyMaterial | undefined {
    return this.#versions.find((version) => version.id === materialId);
  }

  rotate(date: number, type: RotationType): KeyMaterial {
    const material = newMaterial({ date, type });
    this.#versions.push(material);
    return material;
  }

  enableAutomaticRotation(now: number, periodInDays: number): void {
    this.automatic = { periodInDays, nextDate: now + periodInDays * millisecondsPerDay };
  }

  /** Moves a rotation date that has passed unused to `now`. */
  postponeMissedDate(now: number): void {
    if (this.automatic && this.automatic.nextDate < now) this.automatic.nextDate = now;
  }

  /** Makes the automatic rotations that have come due. */
  *rotateIfDue(now: number): Generator<KeyMaterial> {
    while (this.automatic && this.automatic.nextDate <= now) {
      const date = this.automatic.nextDate;
      this.automatic.nextDate = date + this.automatic.periodInDays * millisecondsPerDay;
      yield this.rotate(date, "AUTOMATIC");
    }
  }
}

function newMaterial(rotation?: Rotation): KeyMaterial {
  return defined({ id: randomBytes(32).toString("hex"), secret: createSecretKey(randomBytes(32)), rotation });
}
