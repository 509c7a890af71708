import { metrics, trace, type Attributes, type Meter, type Tracer } from "@opentelemetry/api";
import { InvalidInputError, type RecordingKeyStoreError } from "../errors.js";
import { eventNames, warnOf, type EventName, type RecordingKeyStoreEvents } from "../events.js";
import type { KeyStoreHealth } from "../key-pairs/key-manager.js";
import type { OperationEnd, OperationName, OperationObserver } from "../operations.js";
import { callOthers } from "../util/call-others.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { member } from "../util/safe-cause.js";
import { HealthGauges } from "./health-gauges.js";
import { attributeNames as names, durationBuckets, metricNames } from "./names.js";
import { endSpan, errorTypeOf, startSpan, withinSpan, type SpanDetail } from "./spans.js";

/** A `RecordingKeyStore` or a `RecordingKeyStoreRegistry`, by its shape: one of another copy of the package will do. */
export interface Instrumented {
  observe(observer: OperationObserver): () => void;
  on<N extends EventName>(name: N, listener: (event: RecordingKeyStoreEvents[N]) => void): () => void;
  health(): KeyStoreHealth | readonly KeyStoreHealth[];
}

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** Default: the global provider's, under the name `recording-keystore`. */
  readonly tracer?: Tracer;
  /** Default: the global provider's, under the name `recording-keystore`. */
  readonly meter?: Meter;
  /**
   * The organization's id as an attribute of spans and metrics. Default false: each organization would have a series of its
   * own for every metric.
   */
  readonly organizationIds?: boolean;
  /** Ids of recordings, assets and key pairs as attributes of spans, never of metrics. Default false. */
  readonly recordingIds?: boolean;
}

/**
 * Tells OpenTelemetry what a key store, or all of a registry, does: a span for each operation, with unwraps and changes of key
 * inside it, and the metrics of the guide for operators. Several on one meter add up. Nothing of a recording's content is told,
 * and ids only on demand.
 *
 * @example
 * ```ts
 * const uninstrument = instrument(registry);
 * ```
 * @returns a function that ends it
 * @throws InvalidInputError for an unknown option, and for what is no key store, registry, tracer or meter; what the meter throws
 */
export function instrument(instrumented: Instrumented, options: InstrumentOptions = {}): () => void {
  const {
    tracer = trace.getTracer("recording-keystore"),
    meter = metrics.getMeter("recording-keystore"),
    organizationIds = false,
    recordingIds = false,
  } = knownOptions(options, { tracer: true, meter: true, organizationIds: true, recordingIds: true });
  checkMethods({ instrumented, tracer, meter });
  const counters = countersOf(meter);
  const organization = (id: string | undefined): Attributes =>
    organizationIds && id !== undefined ? { [names.organizationId]: id } : {};
  // What may throw comes first: nothing is watched then.
  const endGauges = HealthGauges.of(meter).add({ health: () => [instrumented.health()].flat(), organizationIds });
  const leave = [
    endGauges,
    instrumented.observe(observerOf(tracer, counters, { organizationIds, recordingIds }, organization)),
    ...eventNames.map((name) =>
      instrumented.on(name, (event) => {
        const { organizationId, error } = event as { organizationId?: string; error?: RecordingKeyStoreError };
        const about = organization(organizationId ?? ownId(instrumented));
        counters.events.add(1, { [names.event]: name, ...about });
        if (name === "keyChangeFailed")
          counters.failedKeyChanges.add(1, { [names.errorType]: error?.code ?? "_OTHER", ...about });
      }),
    ),
  ];
  return () => {
    for (const end of leave.splice(0)) callOthers(end, warnOf);
  };
}

/** What is called of each. */
const methods = {
  instrumented: ["observe", "on", "health"],
  tracer: ["startSpan"],
  meter: ["createHistogram", "createCounter", "createObservableGauge", "addBatchObservableCallback"],
} as const;

/** @throws InvalidInputError */
function checkMethods(given: Readonly<Record<keyof typeof methods, unknown>>): void {
  for (const [field, needed] of Object.entries(methods)) {
    const value = given[field as keyof typeof methods];
    const has = (name: string) =>
      typeof value === "object" && value !== null && typeof member(value, name) === "function";
    if (!needed.every(has))
      throw new InvalidInputError(
        field,
        `must be an object with ${needed.map((name) => `${name}()`).join(", ")}`,
        value,
      );
  }
}

/** Id of a key store that is instrumented by itself, whose events do not name it. */
function ownId(instrumented: Instrumented): string | undefined {
  const health = instrumented.health();
  return "organizationId" in health ? health.organizationId : undefined;
}

type Counters = ReturnType<typeof countersOf>;

function countersOf(meter: Meter) {
  const seconds = { unit: "s", advice: { explicitBucketBoundaries: durationBuckets } };
  return {
    operationDuration: meter.createHistogram(metricNames.operationDuration, {
      description: "Duration of an operation of a key store; of a stream, until it is done",
      ...seconds,
    }),
    unwrapDuration: meter.createHistogram(metricNames.unwrapDuration, {
      description: "Duration of having KMS unwrap a private key",
      ...seconds,
    }),
    privateKeyUses: meter.createCounter(metricNames.privateKeyUses, {
      description: "Private keys used, from memory or by way of KMS",
      unit: "{use}",
    }),
    degradedRecordings: meter.createCounter(metricNames.degradedRecordings, {
      description: "Recordings encrypted with a key that KMS does not vouch for now, or that is at risk",
      unit: "{recording}",
    }),
    failedKeyChanges: meter.createCounter(metricNames.failedKeyChanges, {
      description: "Changes of key that failed",
      unit: "{change}",
    }),
    events: meter.createCounter(metricNames.events, { description: "Events of key stores", unit: "{event}" }),
  };
}

function observerOf(
  tracer: Tracer,
  counters: Counters,
  detail: SpanDetail,
  organization: (id: string) => Attributes,
): OperationObserver {
  return {
    started: (started) => {
      const { operation, organizationId } = started;
      const about = organization(organizationId);
      const span = startSpan(tracer, started, detail);
      const since = performance.now();
      return {
        within: (work) => withinSpan(span, work),
        ended: (end) => {
          const seconds = (performance.now() - since) / 1_000;
          endSpan(span, end, detail);
          const ended = { ...defined({ [names.errorType]: errorTypeOf(end) }), ...about };
          if (operation === "unwrapPrivateKey") counters.unwrapDuration.record(seconds, ended);
          else counters.operationDuration.record(seconds, { [names.operation]: operation, ...ended });
          for (const degradation of degradationsOf(operation, end))
            counters.degradedRecordings.add(1, { [names.degradation]: degradation, ...about });
        },
      };
    },
    privateKeyUsed: ({ organizationId, inMemory }) =>
      counters.privateKeyUses.add(1, { [names.inMemory]: inMemory, ...organization(organizationId) }),
  };
}

/** Under what a recording that was just encrypted is counted. */
function degradationsOf(operation: OperationName, end: OperationEnd): string[] {
  if (operation !== "encryptRecording" && operation !== "encryptFile") return [];
  return [
    ...(end.usedLastKnownKey ? ["last_known_key"] : []),
    ...(end.confirmation === "unconfirmed" ? ["unconfirmed"] : []),
    ...(end.keyAtRisk ? ["key_at_risk"] : []),
  ];
}
