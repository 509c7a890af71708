import { context, SpanKind, SpanStatusCode, trace, type Attributes, type Span, type Tracer } from "@opentelemetry/api";
import type { OperationEnd, OperationStart } from "../operations.js";
import { defined } from "../util/defined.js";
import { attributeNames as names } from "./names.js";

/** What a span may tell beyond the operation. */
export interface SpanDetail {
  readonly organizationIds: boolean;
  readonly recordingIds: boolean;
}

export function startSpan(tracer: Tracer, started: OperationStart, detail: SpanDetail): Span {
  const { organizationId, operation, recordingId, asset } = started;
  const attributes: Attributes = {
    [names.operation]: operation,
    ...(detail.organizationIds ? { [names.organizationId]: organizationId } : {}),
    ...(detail.recordingIds ? defined({ [names.recordingId]: recordingId, [names.asset]: asset }) : {}),
  };
  return tracer.startSpan(`recording_keystore ${operation}`, { kind: SpanKind.INTERNAL, attributes });
}

/** Runs work whose spans, those of the AWS SDK among them, become children of the span. */
export function withinSpan(span: Span, work: () => void): void {
  context.with(trace.setSpan(context.active(), span), work);
}

/** Tells of an error its code alone: a message may name a recording. */
export function endSpan(span: Span, end: OperationEnd, detail: SpanDetail): void {
  const { plaintextSize, encryptedSize, confirmation, usedLastKnownKey, keyAtRisk, keyPairId } = end;
  span.setAttributes(
    defined({
      [names.plaintextSize]: plaintextSize,
      [names.encryptedSize]: encryptedSize,
      [names.confirmation]: confirmation,
      [names.usedLastKnownKey]: usedLastKnownKey,
      [names.keyAtRisk]: keyAtRisk,
      [names.keyPairId]: detail.recordingIds ? keyPairId : undefined,
    }),
  );
  const errorType = errorTypeOf(end);
  if (errorType !== undefined) {
    span.setAttribute(names.errorType, errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** Value of `error.type`. `_OTHER` is the conventions' word for what has no name of low cardinality. */
export function errorTypeOf({ error }: Pick<OperationEnd, "error">): string | undefined {
  return error === "OTHER" ? "_OTHER" : error;
}
