import { KmsError, kmsError } from "../../src/kms/kms-error.js";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { transferred } from "../support/transferred.js";

/** Something that no code expects. */
export interface OddValue {
  readonly name: string;
  readonly make: () => unknown;
}

const named = (makers: Readonly<Record<string, () => unknown>>): OddValue[] =>
  Object.entries(makers).map(([name, make]) => ({ name, make }));

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** An object that nobody can read from. */
function unreadable(target: object): unknown {
  const fail = () => {
    throw new TypeError("must not be read");
  };
  return new Proxy(target, {
    get: fail,
    has: fail,
    getPrototypeOf: fail,
    ownKeys: fail,
    getOwnPropertyDescriptor: fail,
  });
}

/** An error whose members throw when they are read. */
function withThrowingGetters(error: Error): Error {
  for (const name of ["message", "name", "stack", "code", "cause", "kind", "errors", "$metadata", "retryable"]) {
    Object.defineProperty(error, name, {
      configurable: true,
      get: () => {
        throw new TypeError(`${name} must not be read`);
      },
    });
  }
  return error;
}

/** An error as another copy of the package makes it: it shares the brand, and no class. */
function ofAnotherCopy(name: string, members: Readonly<Record<string, unknown>>): Error {
  const error = Object.assign(new Error("told by another copy"), members);
  Object.defineProperty(error, "name", { value: name });
  return Object.defineProperty(error, Symbol.for("recording-keystore.error"), { value: true });
}

function cyclic(): Error {
  const error = new AggregateError([], "round and round");
  error.cause = error;
  error.errors.push(...Array.from({ length: 1_000 }, () => error));
  return error;
}

function deepCause(): Error {
  let error = new Error("at the bottom");
  for (let depth = 0; depth < 500; depth += 1) error = new Error("further up", { cause: error });
  return error;
}

const timeout = () => kmsError("timeout", { operation: "Decrypt", message: "no answer" });

/** What other people's code may throw or reject with. */
export const oddErrors = named({
  undefined: () => undefined,
  null: () => null,
  "a text": () => "no route",
  "a number": () => 7,
  "a bigint": () => 7n,
  "a symbol": () => Symbol("odd"),
  "a frozen object": () => Object.freeze({ message: "frozen" }),
  "an object without a prototype": () => Object.create(null) as unknown,
  "a function": () => () => undefined,
  "a plain error": () => new Error("no route"),
  "a revoked proxy": () => revoked({}),
  "a revoked proxy of an error": () => revoked(timeout()),
  "an object that can't be read": () => unreadable({}),
  "an error that can't be read": () => unreadable(timeout()),
  "an error with throwing getters": () => withThrowingGetters(new Error("odd")),
  "a KmsError with throwing getters": () => withThrowingGetters(timeout()),
  "an error whose text is a symbol": () => Object.defineProperty(new Error(), "message", { value: Symbol("odd") }),
  "an error that is its own cause": cyclic,
  "an error with 500 causes": deepCause,
  "a KmsError whose cause can't be read": () =>
    kmsError("timeout", { operation: "Decrypt", message: "no answer", cause: revoked({}) }),
  "a KmsError of a newer copy": () =>
    ofAnotherCopy("KmsError", { code: "ERR_KMS_UNAVAILABLE", kind: "on-holiday", operation: "Decrypt" }),
  "a KmsError of a kind that is a member of every object": () =>
    ofAnotherCopy("KmsError", { code: "ERR_KMS_UNAVAILABLE", kind: "constructor", operation: 7, keyId: Symbol("odd") }),
  "a KmsError that was never made": () => Object.create(KmsError.prototype) as unknown,
  "an error of a newer copy": () => ofAnotherCopy("RecordingKeyStoreError", { code: "ERR_NOT_INVENTED_YET" }),
  "an error of this library about something else": () => new RecordingKeyStoreError("ERR_NOT_CONFIGURED", "a lie"),
});

/** What other people's code may resolve with. */
export const oddAnswers = named({
  undefined: () => undefined,
  null: () => null,
  "a text": () => "yes",
  "a symbol": () => Symbol("odd"),
  "an empty object": () => ({}),
  "a revoked proxy": () => revoked({}),
  "a revoked proxy of a list": () => revoked([]),
  "an object that can't be read": () => unreadable({}),
  "a list of nothing": () => [undefined],
  "a list of what can't be read": () => [revoked({})],
  "bytes that are none": () => ({
    keyArn: 7n,
    plaintext: "secret",
    ciphertext: "secret",
    publicKey: null,
    privateKeyCiphertext: {},
    revision: "1",
    document: "{}",
    sequence: 1,
    keyPairId: "p",
    wrappingId: "fate",
  }),
  "bytes in place of an object": () => new Uint8Array(100),
  "bytes that were transferred": () => ({
    keyArn: "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    plaintext: transferred(32),
    ciphertext: transferred(32),
    publicKey: transferred(32),
    privateKeyCiphertext: transferred(32),
    document: transferred(32),
  }),
});
