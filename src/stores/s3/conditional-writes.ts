import { abortable } from "../../util/abort.js";
import { StoreError } from "../store-error.js";
import { trialName } from "./names.js";
import type { Condition, S3Requests } from "./requests.js";

/** An ETag that no object has. */
const noSuchETag = '"00000000000000000000000000000000"';
const trialBody = Buffer.from(
  "recording-keystore tries here whether conditional writes are honoured. Any content will do; it need not be kept.\n",
);
const isNew: Condition = { IfNoneMatch: "*" };

/** How a service wants an ETag in `If-Match`: with its quotes, as HTTP says, or without, as older Ceph. */
type ETagForm = "quoted" | "bare";

/**
 * The conditions of a store's writes, each tried with an object of its own before the first that matters: what ignores a
 * condition, such as an older service or SDK, would overwrite key pairs and heads without a word.
 */
export class ConditionalWrites {
  readonly #requests: S3Requests;
  readonly #honoured = new Set<ETagForm | "new">();
  /** Trials under way, however they end. */
  readonly #trials = new Map<ETagForm | "new", Promise<unknown>>();
  #form: ETagForm = "quoted";

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** The condition that there is no such object. @throws StoreError `unsupported` */
  async isNew(operation: string, signal: AbortSignal): Promise<Condition> {
    await this.#once("new", signal, async () => {
      // The first may find nothing there; the second can't.
      const written = (await this.#try(isNew, signal)) && (await this.#try(isNew, signal));
      if (written) throw ignored(operation, "If-None-Match");
    });
    return isNew;
  }

  /** The condition that an object is still the one with an ETag. @throws StoreError `unsupported` */
  async isStill(etag: string, operation: string, signal: AbortSignal): Promise<Condition> {
    const form = this.#form;
    await this.#once(form, signal, async () => {
      await this.isNew(operation, signal); // so that there is an object to compare
      if (await this.#try({ IfMatch: inForm(noSuchETag, form) }, signal)) throw ignored(operation, "If-Match");
    });
    return { IfMatch: inForm(etag, form) };
  }

  /** Changes to the other form, after a refusal of an ETag that is the right one. */
  changeForm(): void {
    this.#form = this.#form === "quoted" ? "bare" : "quoted";
  }

  /** Tries what is not known yet. Who finds a trial under way waits for it, and makes its own if that one has failed. */
  async #once(what: ETagForm | "new", signal: AbortSignal, tried: () => Promise<void>): Promise<void> {
    const running = this.#trials.get(what);
    if (running) await abortable(running, signal);
    if (this.#honoured.has(what)) return;
    const trial = tried().then(() => void this.#honoured.add(what));
    const ended = trial.catch(() => undefined);
    this.#trials.set(what, ended);
    try {
      await trial;
    } finally {
      if (this.#trials.get(what) === ended) this.#trials.delete(what);
    }
  }

  async #try(condition: Condition, signal: AbortSignal): Promise<boolean> {
    return (await this.#requests.put(trialName, trialBody, condition, signal)).written;
  }
}

function inForm(etag: string, form: ETagForm): string {
  return form === "bare" ? etag.replace(/^"(.*)"$/s, "$1") : etag;
}

function ignored(operation: string, header: string): StoreError {
  return new StoreError("unsupported", {
    operation,
    message: `${operation}: the object store or the client ignores ${header}, so that writers would overwrite each other`,
  });
}
