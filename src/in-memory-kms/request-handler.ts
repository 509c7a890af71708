import { defined } from "../util/defined.js";
import type { KmsAnswer } from "./service.js";
import type { KmsHttpRequest, KmsHttpResponse } from "./wire.js";

/** The SDK's options that the handler respects. */
export interface KmsRequestHandlerOptions {
  abortSignal?:
    { readonly aborted: boolean; onabort?: unknown; addEventListener?: unknown; reason?: unknown } | undefined;
  /** In ms. Default, and for 0: none. */
  requestTimeout?: number | undefined;
}

/** `requestHandler` for a `KMSClient`: runs the SDK's whole client stack, without a socket. */
export class KmsRequestHandler {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #answer: (request: KmsHttpRequest) => Promise<KmsAnswer>;
  #config: Record<string, unknown> = {};

  constructor(answer: (request: KmsHttpRequest) => Promise<KmsAnswer>) {
    this.#answer = answer;
  }

  async handle(
    request: KmsHttpRequest,
    options: KmsRequestHandlerOptions = {},
  ): Promise<{ response: KmsHttpResponse }> {
    const { abortSignal } = options;
    if (abortSignal?.aborted) throw abortError(abortSignal.reason);
    const timeout = options.requestTimeout ?? this.#config["requestTimeout"];
    const race = new Interruption(abortSignal, typeof timeout === "number" ? timeout : 0);
    try {
      return { response: await Promise.race([race.interrupted, this.#respond(request, () => race.holdEventLoop())]) };
    } finally {
      race.end();
    }
  }

  updateHttpClientConfig(key: never, value: never): void {
    this.#config = { ...this.#config, [key]: value };
  }

  httpHandlerConfigs(): Record<string, unknown> {
    return this.#config;
  }

  /** Does nothing: the in-memory KMS outlives its clients. */
  destroy(): void {}

  async #respond(request: KmsHttpRequest, holdEventLoop: () => void): Promise<KmsHttpResponse> {
    const answer = await this.#answer(request);
    switch (answer.type) {
      case "response":
        return answer.response;
      case "network":
        throw networkError(answer.code, answer.message);
      case "no-credentials":
        throw credentialsError();
      case "hang":
        holdEventLoop();
        return new Promise(() => {});
    }
  }
}

/** Longest that a timer takes, in ms. */
const longestInterval = 2 ** 31 - 1;

/** Rejects when the caller aborts, or after its timeout. */
class Interruption {
  readonly interrupted: Promise<never>;
  #reject!: (reason: Error) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #stopListening: () => void = () => {};
  #socket: NodeJS.Timeout | undefined;

  constructor(signal: KmsRequestHandlerOptions["abortSignal"], timeoutMs: number) {
    this.interrupted = new Promise((_resolve, reject) => (this.#reject = reject));
    this.interrupted.catch(() => {});
    if (timeoutMs > 0) this.#timer = setTimeout(() => this.#reject(timeoutError(timeoutMs)), timeoutMs);
    if (!signal) return;
    const onAbort = () => this.#reject(abortError(signal.reason));
    if (isEventTarget(signal)) {
      signal.addEventListener("abort", onAbort, { once: true });
      this.#stopListening = () => signal.removeEventListener("abort", onAbort);
    } else {
      signal.onabort = onAbort;
    }
  }

  /** Keeps the process alive, as the socket of a call under way does, until the call ends. */
  holdEventLoop(): void {
    this.#socket = setInterval(() => {}, longestInterval);
  }

  end(): void {
    clearInterval(this.#socket);
    clearTimeout(this.#timer);
    this.#stopListening();
  }
}

const isEventTarget = (signal: object): signal is EventTarget =>
  "addEventListener" in signal && typeof signal.addEventListener === "function";

/* The errors below are like those of the SDK's own handler. */

function networkError(code: string, message: string): Error {
  const name = ["ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(code) ? "TimeoutError" : "Error";
  return Object.assign(new Error(message), {
    name,
    code,
    ...defined({ syscall: message.startsWith("connect") ? "connect" : undefined }),
  });
}

function timeoutError(ms: number): Error {
  return Object.assign(new Error(`a request has exceeded the configured ${ms} ms requestTimeout`), {
    name: "TimeoutError",
    code: "ETIMEDOUT",
  });
}

function abortError(reason: unknown): Error {
  const error = new Error(typeof reason === "string" ? reason : "Request aborted", { cause: reason });
  error.name = "AbortError";
  return error;
}

export function credentialsError(): Error {
  return Object.assign(new Error("Could not load credentials from any providers"), {
    name: "CredentialsProviderError",
    tryNextLink: false,
  });
}
