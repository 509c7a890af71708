import { defined } from "../util/defined.js";
import { AwsError } from "./aws-error.js";
import { KmsCall } from "./call.js";
import type { FaultKind, FaultOutcome } from "./fault-kinds.js";
import type { KmsFaults } from "./faults.js";
import type { KmsCallRecord, KmsJournal } from "./journal.js";
import { operations, readOnly } from "./operations/index.js";
import { notAuthorized } from "./policy/not-authorized.js";
import type { KmsPrincipals } from "./principals.js";
import type { KmsState } from "./state.js";
import {
  errorResponse,
  missingToken,
  newRequestId,
  readRequest,
  successResponse,
  type KmsHttpRequest,
  type KmsHttpResponse,
  type KmsRequest,
} from "./wire.js";

/** What a transport does with a request: pass on a response, or simulate a failure of the network. */
export type KmsAnswer =
  | { type: "response"; response: KmsHttpResponse }
  | { type: "network"; code: string; message: string }
  /** An SDK without credentials sends no request. The response is for a client that did. */
  | { type: "no-credentials"; response: KmsHttpResponse }
  | { type: "hang" };

/** In ms. */
const tolerableSkew = 300_000;

interface KmsServiceParts {
  readonly state: KmsState;
  readonly principals: KmsPrincipals;
  readonly faults: KmsFaults;
  readonly journal: KmsJournal;
  readonly regions: readonly string[] | undefined;
  /** Resolves once what calls have changed is where it is kept, if anywhere. */
  readonly kept: () => Promise<void> | undefined;
}

/** Handles the requests of all transports: reads each, applies faults, executes it and records it in the journal. */
export class KmsService {
  readonly #parts: KmsServiceParts;

  constructor(parts: KmsServiceParts) {
    this.#parts = parts;
  }

  async answer(http: KmsHttpRequest): Promise<KmsAnswer> {
    const requestId = newRequestId();
    let call: KmsCall;
    try {
      const request = readRequest(http, requestId);
      this.#requireRegion(request.region);
      call = new KmsCall(request, this.#parts.principals.find(request.accessKeyId, request.region), this.#parts.state);
    } catch (error) {
      return { type: "response", response: errorResponse(requestId, asAwsError(error)) };
    }
    const { waitMs, kind, outcome } = this.#parts.faults.decide(() => faultTarget(call));
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (outcome?.type === "network" && outcome.afterwards) await this.#run(call);
    const answer = (outcome && answerOf(outcome, call)) ?? (await this.#run(call, outcome));
    this.#parts.journal.add(journalRecord(call, answer, kind));
    return answer.answer;
  }

  #requireRegion(region: string): void {
    const { regions } = this.#parts;
    if (!regions || regions.includes(region)) return;
    throw new AwsError("InvalidSignatureException", `Credential should be scoped to a valid region.`);
  }

  async #execute(call: KmsCall): Promise<object | undefined> {
    const operation = operations.get(call.operation);
    if (!operation) throw new AwsError("UnknownOperationException");
    try {
      const output = await operation.execute(call);
      call.succeeded();
      return output;
    } finally {
      // The pair of an asymmetric key is made when a call first needs it, also one that fails afterwards.
      if (!readOnly.has(operation.name) || call.usedSecrets) this.#parts.state.changed();
    }
  }

  async #run(call: KmsCall, outcome?: FaultOutcome): Promise<Decided> {
    const { requestId } = call.request;
    // SDKs correct their clocks by `Date`.
    const date = outcome?.type === "clock-skew" ? new Date(Date.now() + outcome.ms) : undefined;
    try {
      const output = await this.#execute(call);
      await this.#parts.kept();
      return decided({ type: "response", response: successResponse(requestId, output, date) }, "ok");
    } catch (thrown) {
      const error = asAwsError(thrown);
      return decided({ type: "response", response: errorResponse(requestId, error, date) }, error.name);
    }
  }
}

interface Decided {
  answer: KmsAnswer;
  outcome: string;
}

const decided = (answer: KmsAnswer, outcome: string): Decided => ({ answer, outcome });

/** The answer of a fault. `undefined` if the call goes on. */
function answerOf(outcome: FaultOutcome, call: KmsCall): Decided | undefined {
  switch (outcome.type) {
    case "network":
      return decided({ type: "network", code: outcome.code, message: outcome.message }, outcome.code);
    case "hang":
      return decided({ type: "hang" }, "hang");
    case "no-credentials":
      return decided(
        { type: "no-credentials", response: errorResponse(call.request.requestId, missingToken()) },
        "CredentialsProviderError",
      );
    case "error":
      return refusal(call, outcome.error);
    case "denied":
      return refusal(call, notAuthorized(call.caller, `kms:${call.operation}`));
    case "clock-skew":
      return skewRefusal(call, outcome.ms);
  }
}

function refusal(call: KmsCall, error: AwsError, date?: Date): Decided {
  return decided({ type: "response", response: errorResponse(call.request.requestId, error, date) }, error.name);
}

function skewRefusal(call: KmsCall, ms: number): Decided | undefined {
  const signed = call.request.signedAt ?? "";
  const signedAt = Date.parse(signed.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  const serverTime = new Date(Date.now() + ms);
  if (Math.abs(serverTime.getTime() - signedAt) <= tolerableSkew) return undefined;
  const compact = (time: number) => new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");
  const message =
    serverTime.getTime() > signedAt
      ? `Signature expired: ${signed} is now earlier than ${compact(serverTime.getTime() - tolerableSkew)} (${compact(serverTime.getTime())} - 5 min.)`
      : `Signature not yet current: ${signed} is still later than ${compact(serverTime.getTime() + tolerableSkew)} (${compact(serverTime.getTime())} + 5 min.)`;
  return refusal(call, new AwsError("InvalidSignatureException", message), serverTime);
}

/** Rethrows anything else: a bug of the in-memory KMS is no answer of the service. */
function asAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  throw error;
}

function faultTarget(call: KmsCall) {
  const { operation, region, accessKeyId, body } = call.request;
  return { operation, region, accessKeyId, keyId: requestedKeyId(body), keyArn: call.guessKeyArn() };
}

function requestedKeyId({ KeyId, SourceKeyId, TargetKeyId, DestinationKeyId }: KmsRequest["body"]): string | undefined {
  return [KeyId, SourceKeyId, TargetKeyId, DestinationKeyId].find((id): id is string => typeof id === "string");
}

function journalRecord(call: KmsCall, { answer, outcome }: Decided, fault: FaultKind | undefined): KmsCallRecord {
  const { request, caller } = call;
  const keyId = requestedKeyId(request.body);
  const keyArn = call.keyArn ?? call.guessKeyArn();
  const context = request.body["EncryptionContext"] ?? request.body["SourceEncryptionContext"];
  return defined({
    at: call.state.now,
    requestId: request.requestId,
    operation: request.operation,
    region: request.region,
    accessKeyId: request.accessKeyId,
    principal: caller.arn,
    keyId,
    keyArn,
    encryptionContext:
      typeof context === "object" && context !== null ? { ...(context as Record<string, string>) } : undefined,
    outcome,
    statusCode: answer.type === "response" ? answer.response.statusCode : undefined,
    fault,
  });
}
