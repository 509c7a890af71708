import type { Attributes, BatchObservableResult, Meter, ObservableGauge } from "@opentelemetry/api";
import type { KeyStoreHealth } from "../key-pairs/key-manager.js";
import { attributeNames, metricNames } from "./names.js";

/** What is read at each collection. */
interface Source {
  readonly health: () => readonly KeyStoreHealth[];
  /** One series for each organization, instead of one for all. */
  readonly organizationIds: boolean;
}

interface Gauges {
  readonly confirmationAge: ObservableGauge;
  readonly lastKnownKey: ObservableGauge;
  readonly keyAtRisk: ObservableGauge;
  readonly keyChangesDue: ObservableGauge;
  readonly aliasDrift: ObservableGauge;
}

const byMeter = new WeakMap<Meter, HealthGauges>();

/** The gauges of all key stores on one meter. Each with a gauge of its own, they would overwrite each other's one series. */
export class HealthGauges {
  readonly #meter: Meter;
  readonly #sources = new Set<Source>();
  readonly #gauges: Gauges;

  private constructor(meter: Meter) {
    this.#meter = meter;
    const count = (name: string, description: string) =>
      meter.createObservableGauge(name, { description, unit: "{organization}" });
    this.#gauges = {
      confirmationAge: meter.createObservableGauge(metricNames.confirmationAge, {
        description: "Time since KMS last vouched for the key in use; of several organizations, the longest",
        unit: "s",
      }),
      lastKnownKey: count(
        metricNames.lastKnownKey,
        "Organizations whose recordings are encrypted with the last known key",
      ),
      keyAtRisk: count(metricNames.keyAtRisk, "Organizations whose KMS key is disabled, pending deletion or gone"),
      keyChangesDue: count(metricNames.keyChangesDue, "Organizations whose change of key is due and not made yet"),
      aliasDrift: count(
        metricNames.aliasDrift,
        "Organizations whose alias leads to another KMS key than that of the key pair in use",
      ),
    };
  }

  static of(meter: Meter): HealthGauges {
    let gauges = byMeter.get(meter);
    if (!gauges) byMeter.set(meter, (gauges = new HealthGauges(meter)));
    return gauges;
  }

  /** @returns a function that takes the source out again */
  add(source: Source): () => void {
    const own = { ...source };
    const gauges = Object.values(this.#gauges) as ObservableGauge[];
    if (this.#sources.size === 0) this.#meter.addBatchObservableCallback(this.#observe, gauges);
    this.#sources.add(own);
    return () => {
      if (this.#sources.delete(own) && this.#sources.size === 0)
        this.#meter.removeBatchObservableCallback(this.#observe, gauges);
    };
  }

  readonly #observe = (result: BatchObservableResult): void => {
    const together: KeyStoreHealth[] = [];
    let counted = false;
    for (const { health, organizationIds } of this.#sources) {
      if (organizationIds) {
        for (const one of health()) this.#tell(result, [one], { [attributeNames.organizationId]: one.organizationId });
      } else {
        counted = true;
        together.push(...health());
      }
    }
    if (counted) this.#tell(result, together, {});
  };

  #tell(result: BatchObservableResult, healths: readonly KeyStoreHealth[], attributes: Attributes): void {
    const { confirmationAge, lastKnownKey, keyAtRisk, keyChangesDue, aliasDrift } = this.#gauges;
    const longest = healths.reduce((age, { confirmedAge = -1 }) => Math.max(age, confirmedAge), -1);
    if (longest >= 0) result.observe(confirmationAge, longest / 1_000, attributes);
    const count = (gauge: ObservableGauge, holds: (health: KeyStoreHealth) => boolean) =>
      result.observe(gauge, healths.filter(holds).length, attributes);
    count(lastKnownKey, ({ usedLastKnownKey }) => usedLastKnownKey);
    count(keyAtRisk, (health) => health.keyAtRisk);
    count(keyChangesDue, ({ keyChangeDue }) => keyChangeDue);
    count(aliasDrift, (health) => health.aliasDrift);
  }
}
