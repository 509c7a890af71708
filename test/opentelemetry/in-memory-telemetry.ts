import { context, ROOT_CONTEXT, type Context, type ContextManager } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-base";
import { AsyncLocalStorage } from "node:async_hooks";

/** Context manager on Node's own storage, as `@opentelemetry/context-async-hooks` is. */
class StorageContextManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => fn.call(thisArg as never, ...args));
  }

  bind<T>(active: Context, target: T): T {
    return typeof target === "function"
      ? (((...args: unknown[]) => this.with(active, target as never, undefined, ...(args as never))) as T)
      : target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

/** What one series says: a count, a gauge's value, or the number of a histogram's values. */
export interface Series {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

/** OpenTelemetry's SDK, with everything that it exports in memory. */
export class InMemoryTelemetry {
  readonly #spans = new InMemorySpanExporter();
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({ exporter: this.#metrics, exportIntervalMillis: 2 ** 31 - 1 });
  readonly #tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#spans)] });
  readonly #meters = new MeterProvider({ readers: [this.#reader] });
  readonly tracer = this.#tracers.getTracer("test");
  readonly meter = this.#meters.getMeter("test");

  /** Lets spans have children, for the process. @returns a function that ends it */
  static withContexts(): () => void {
    context.setGlobalContextManager(new StorageContextManager());
    return () => context.disable();
  }

  get spans(): readonly ReadableSpan[] {
    return this.#spans.getFinishedSpans();
  }

  span(operation: string): ReadableSpan {
    const found = this.spans.filter(({ name }) => name === `recording_keystore ${operation}`);
    if (!found[0] || found.length > 1) throw new Error(`${found.length} spans of ${operation}`);
    return found[0];
  }

  /** Every series of every metric, as they are now. */
  async collect(): Promise<ReadonlyMap<string, { readonly unit: string; readonly series: readonly Series[] }>> {
    this.#metrics.reset();
    await this.#reader.forceFlush();
    const all = this.#metrics
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    return new Map(
      all.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        {
          unit: descriptor.unit,
          series: dataPoints.map(({ attributes, value }) => ({
            attributes,
            value: typeof value === "number" ? value : value.count,
          })),
        },
      ]),
    );
  }

  async close(): Promise<void> {
    await this.#meters.shutdown();
    await this.#tracers.shutdown();
  }
}
