import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { defined } from "../util/defined.js";
import { knownOptions } from "../util/check-input.js";
import { controlHeader, controlPath } from "./control.js";
import type { FaultKind } from "./fault-kinds.js";
import type { FaultOptions, FaultScope } from "./fault-options.js";
import type { KeyStoreConnectionOptions } from "./key-stores.js";
import type { KmsCallFilter, KmsCallRecord } from "./journal.js";
import type { KmsSnapshot } from "./snapshot.js";

/** A fault in an in-memory KMS of another process. */
export interface RemoteFault {
  readonly id: string;
  readonly kind: FaultKind;
  readonly options: FaultOptions;
  /** Number of calls that it had hit when this was asked. */
  readonly hits: number;
  /** Ends the fault. Again does no harm. */
  remove(): Promise<void>;
}

export interface KmsControlOptions {
  /** Certificate authority to trust under TLS, as PEM: a self-made certificate itself. Default: the system's. */
  ca?: string;
}

/** The control refused, or did not answer as one. */
export class KmsControlError extends Error {
  override readonly name = "KmsControlError";
  /** HTTP status. */
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/**
 * Controls an in-memory KMS that runs in another process, such as `recording-keystore kms`, by its `/_kms/…`.
 *
 * @example
 * ```ts
 * const control = new KmsControl("http://127.0.0.1:8080");
 * await control.inject("throttling", { operation: "Decrypt", times: 3 });
 * ```
 */
export class KmsControl {
  readonly #url: URL;
  readonly #ca: string | undefined;

  /** @param url - where the in-memory KMS listens, as it prints it */
  constructor(url: string, options: KmsControlOptions = {}) {
    this.#url = new URL(controlPath, url);
    this.#ca = knownOptions(options, { ca: true }).ca;
  }

  /** Whether it runs. @throws the system's error if nobody listens */
  async health(): Promise<{ status: string }> {
    return (await this.#send("GET", "health")) as { status: string };
  }

  /** @throws KmsControlError for a kind, option or operation that there is not */
  async inject(kind: FaultKind, options: FaultOptions = {}): Promise<RemoteFault> {
    return this.#fault(await this.#send("POST", "faults", { ...options, kind }));
  }

  /** Refuses all calls as if KMS were down. */
  async outage(scope: FaultScope = {}): Promise<RemoteFault> {
    return this.inject("connection-refused", scope);
  }

  /** Faults that have not ended. */
  async faults(): Promise<RemoteFault[]> {
    const { faults } = (await this.#send("GET", "faults")) as { faults: object[] };
    return faults.map((fault) => this.#fault(fault));
  }

  /** Ends every fault. */
  async heal(): Promise<void> {
    await this.#send("DELETE", "faults");
  }

  /** Time of its clock, in ms since the Unix epoch. */
  async now(): Promise<number> {
    return nowOf(await this.#send("GET", "clock"));
  }

  /** Lets time pass: deletions, rotations and faults `forMs` come due. @returns the time then */
  async advance(milliseconds: number): Promise<number> {
    return nowOf(await this.#send("POST", "clock", { advance: milliseconds }));
  }

  /** Turns the wall clock alone. @param time - in ms since the Unix epoch, or a `Date` @returns the time then */
  async setTime(time: number | Date): Promise<number> {
    return nowOf(await this.#send("POST", "clock", { set: Number(time) }));
  }

  /** Goes back to what it was started with: seed, callers, time; no faults, an empty journal. */
  async reset(): Promise<void> {
    await this.#send("POST", "reset");
  }

  /** Calls that agree with every member of `filter`, in order. */
  async calls(filter: KmsCallFilter = {}): Promise<KmsCallRecord[]> {
    const query = new URLSearchParams(defined(filter) as Record<string, string>).toString();
    const { calls } = (await this.#send("GET", `journal?${query}`)) as { calls: KmsCallRecord[] };
    return calls;
  }

  async clearJournal(): Promise<void> {
    await this.#send("DELETE", "journal");
  }

  /** What becomes of connecting and disconnecting a custom key store from now on. @throws KmsControlError naming what can't be so */
  async setKeyStoreConnection(id: string, options: KeyStoreConnectionOptions = {}): Promise<void> {
    await this.#send("POST", "key-stores", { ...options, id });
  }

  async snapshot(): Promise<KmsSnapshot> {
    return (await this.#send("GET", "snapshot")) as KmsSnapshot;
  }

  /** @throws KmsControlError naming the field of what is no snapshot */
  async restore(snapshot: KmsSnapshot): Promise<void> {
    await this.#send("PUT", "snapshot", snapshot);
  }

  #fault(shown: object): RemoteFault {
    const fault = shown as Omit<RemoteFault, "remove">;
    return { ...fault, remove: () => this.#send("DELETE", `faults/${fault.id}`).then(() => undefined) };
  }

  async #send(method: string, path: string, body?: object): Promise<object> {
    const { status, text } = await this.#exchange(method, path, body && JSON.stringify(body));
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new KmsControlError(status, `There is no in-memory KMS at ${this.#url.origin}`);
    }
    if (status === 200) return answer as object;
    throw new KmsControlError(status, String((answer as { error?: unknown }).error));
  }

  #exchange(method: string, path: string, body: string | undefined): Promise<{ status: number; text: string }> {
    const url = new URL(path, this.#url);
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const headers = { [controlHeader]: "1", "content-type": "application/json" };
      // A connection of its own: none is left open that would hold the process, or the end of the server.
      const sent = request(url, { method, headers, agent: false, ...defined({ ca: this.#ca }) }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

const nowOf = (answer: object) => (answer as { now: number }).now;
