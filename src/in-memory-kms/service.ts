import { AwsError } from "./aws-error.js";
import { KmsCall } from "./call.js";
import type { FaultKind, FaultOutcome } from "./fault-kinds.js";
import type { KmsFaults } from "./faults.js";
import type { KmsCallRecord, KmsJournal } from "./journal.js";
import { operations, operationsNotModelled } from "./operations/index.js";
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

/** What a door has to do with a request: pass an answer on, or act out a failure of the network. */
export type KmsAnswer =
  | { type: "response"; response: KmsHttpResponse }
  | { type: "network"; code: string; message: string }
  /** An SDK without credentials does not get as far as sending; the response is for whoever did. */
  | { type: "no-credentials"; response: KmsHttpResponse }
  | { type: "hang" };

const tolerableSkewMs = 300_000;

/** The one handler behind every door: reads a request, lets faults have their say, runs it and writes it down. */
export class KmsService {
  readonly #state: KmsState;
  readonly #principals: KmsPrincipals;
  readonly #faults: KmsFaults;
  readonly #journal: KmsJournal;
  readonly #regions: readonly string[] | undefined;

  constructor(parts: {
    state: KmsState;
    principals: KmsPrincipals;
    faults: KmsFaults;
    journal: KmsJournal;
    regions: readonly string[] | undefined;
  }) {
    this.#regions = parts.regions;
    this.#state = parts.state;
    this.#principals = parts.principals;
    this.#faults = parts.faults;
    this.#journal = parts.journal;
  }

  async answer(http: KmsHttpRequest): Promise<KmsAnswer> {
    const requestId = newRequestId();
    let call: KmsCall;
    try {
      const request = readRequest(http, requestId);
      this.#requireRegion(request.region);
      call = new KmsCall(request, this.#principals.find(request.accessKeyId), this.#state);
    } catch (error) {
      return { type: "response", response: errorResponse(requestId, asAwsError(error)) };
    }
    const { waitMs, kind, outcome } = this.#faults.decide(() => faultTarget(call));
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (outcome?.type === "network" && outcome.afterwards) await this.#run(call);
    const answer = (outcome && actOut(outcome, call)) ?? (await this.#run(call, outcome));
    this.#journal.add(journalRecord(call, answer, kind));
    return answer.answer;
  }

  #requireRegion(region: string): void {
    if (!this.#regions || this.#regions.includes(region)) return;
    throw new AwsError("InvalidSignatureException", `Credential should be scoped to a valid region.`);
  }

  async #run(call: KmsCall, outcome?: FaultOutcome): Promise<Decided> {
    const { requestId, operation } = call.request;
    // A skewed clock shows in `Date`, from which the SDKs learn by how much to correct theirs.
    const date = outcome?.type === "clock-skew" ? new Date(Date.now() + outcome.ms) : undefined;
    try {
      const known = operations.get(operation);
      if (!known) throw unknownOperation(operation);
      const output = await known.execute(call);
      return decided({ type: "response", response: successResponse(requestId, output, date) }, "ok");
    } catch (thrown) {
      const error = asAwsError(thrown);
      return decided({ type: "response", response: errorResponse(requestId, error, date) }, error.name);
    }
  }
}

function unknownOperation(name: string): AwsError {
  return new AwsError(
    "UnknownOperationException",
    operationsNotModelled.includes(name) ? `The in-memory KMS does not model ${name}.` : undefined,
  );
}

interface Decided {
  answer: KmsAnswer;
  outcome: string;
}

const decided = (answer: KmsAnswer, outcome: string): Decided => ({ answer, outcome });

/** What a fault answers by itself; undefined if the call goes on. */
function actOut(outcome: FaultOutcome, call: KmsCall): Decided | undefined {
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
  if (Math.abs(serverTime.getTime() - signedAt) <= tolerableSkewMs) return undefined;
  const compact = (time: number) => new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");
  const message =
    serverTime.getTime() > signedAt
      ? `Signature expired: ${signed} is now earlier than ${compact(serverTime.getTime() - tolerableSkewMs)} (${compact(serverTime.getTime())} - 5 min.)`
      : `Signature not yet current: ${signed} is still later than ${compact(serverTime.getTime() + tolerableSkewMs)} (${compact(serverTime.getTime())} + 5 min.)`;
  return refusal(call, new AwsError("InvalidSignatureException", message), serverTime);
}

/** A bug of the in-memory KMS shows as a bug, and not as an answer of the service. */
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
  return {
    at: call.state.now,
    requestId: request.requestId,
    operation: request.operation,
    region: request.region,
    accessKeyId: request.accessKeyId,
    principal: caller.arn,
    ...(keyId !== undefined && { keyId }),
    ...(keyArn !== undefined && { keyArn }),
    ...(typeof context === "object" &&
      context !== null && { encryptionContext: { ...(context as Record<string, string>) } }),
    outcome,
    ...(answer.type === "response" && { statusCode: answer.response.statusCode }),
    ...(fault !== undefined && { fault }),
  };
}
