import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { defined } from "../util/defined.js";

export type RotationType = "AUTOMATIC" | "ON_DEMAND";

export interface KeyMaterial {
  /** 64 hexadecimal digits, as `KeyMaterialId` shows it. */
  readonly id: string;
  /** 256 bits. */
  readonly secret: KeyObject;
  /** How it became current. Absent for the first. */
  readonly rotation?: Rotation;
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

  get current(): KeyMaterial {
    return this.#versions.at(-1) as KeyMaterial;
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
