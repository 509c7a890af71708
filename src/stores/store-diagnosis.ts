import { defined } from "../util/defined.js";
import type { StoreError, StoreFailureKind } from "./store-error.js";

/** Explanation of a store's failure for the people who run the service. Plain data. */
export interface StoreDiagnosis {
  readonly kind: StoreFailureKind;
  /** What happened, in one sentence. */
  readonly summary: string;
  /** Steps to take, most likely remedy first. */
  readonly whatToDo: readonly string[];
  /** Message of the error. */
  readonly detail: string;
  /** The service's own name or code of the error, where it answered. */
  readonly serviceErrorName?: string;
  /** Request id for the service's support, where it answered. */
  readonly requestId?: string;
}

/** Explains a store's failure to the people who run the service: the store is theirs, not the organization's. */
export function diagnoseStoreFailure(error: StoreError): StoreDiagnosis {
  const { kind, operation, message, serviceErrorName, requestId } = error;
  return {
    kind,
    ...advice[kind](operation),
    detail: message,
    ...defined({ serviceErrorName, requestId }),
  };
}

interface Advice {
  readonly summary: string;
  readonly whatToDo: readonly string[];
}

const goesOn =
  "Nothing, if it is short: recordings go on being encrypted with the key that this process holds, and what needs the store works again by itself.";

const advice: Readonly<Record<StoreFailureKind, (operation: string) => Advice>> = {
  unreachable: () => ({
    summary: "The key pair store can't be reached.",
    whatToDo: [goesOn, "Check address, network and TLS between this host and the store."],
  }),
  timeout: () => ({
    summary: "The key pair store did not answer in time.",
    whatToDo: [
      goesOn,
      "Look at the store's load, at a pool that has no free connection, and for a firewall that drops packets silently.",
    ],
  }),
  throttled: () => ({
    summary: "The key pair store is throttling this process.",
    whatToDo: [goesOn, "Give the table more capacity, or the database more connections; or raise `headTtl`."],
  }),
  "service-error": () => ({
    summary: "The key pair store reported an internal error, a restart or a fail-over.",
    whatToDo: [goesOn, "Look at the health of the database or of the AWS service if it lasts."],
  }),
  credentials: () => ({
    summary: "The key pair store does not accept this process's credentials.",
    whatToDo: ["Mend the role, password or token of the process; the KMS key is not at fault."],
  }),
  "access-denied": (operation) => ({
    summary: `This process may not do what ${operation} needs in the key pair store.`,
    whatToDo: [
      "Give the process's role the rights that the store's documentation lists for it.",
      "Removing key pairs is a right of the job that calls removeOrphanedKeyPairs() alone.",
    ],
  }),
  "not-set-up": () => ({
    summary: "The table, schema, bucket or folder of the key pair store is not there, or has not the right form.",
    whatToDo: [
      "Check the name, the account and the Region or database that this process is pointed at.",
      "If it is new: create it as the store's documentation says. If it was there before: restore it from its backup, and do not make it anew, empty.",
    ],
  }),
  "read-only": () => ({
    summary: "What answers for the key pair store takes no writes.",
    whatToDo: ["Point the store at the primary, not at a replica.", goesOn],
  }),
  full: () => ({
    summary: "The key pair store has no space left.",
    whatToDo: ["Free or add space; recordings go on with the key that this process holds."],
  }),
  unsupported: () => ({
    summary: "What is behind the key pair store can't do what it needs, such as a conditional write.",
    whatToDo: ["Use another store, or a service that can: see the guide on stores."],
  }),
  "unexpected-answer": (operation) => ({
    summary: `What answered ${operation} for the key pair store is not what it should be.`,
    whatToDo: [
      "Check that the address is that of the database or service itself, and not a proxy or login page.",
      "If the store is one of your own, run keyPairStoreConformance over it.",
    ],
  }),
};
