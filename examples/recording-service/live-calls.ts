import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { PassThrough, type Readable } from "node:stream";
import type { AboutRecording, RecordingEntry } from "./recordings.js";

/** A call that a browser is recording now. */
interface LiveCall {
  readonly organizationId: string;
  readonly plain: PassThrough;
  readonly saved: Promise<RecordingEntry>;
  about: AboutRecording;
  /** Number of the part that comes next. */
  next: number;
  idle: NodeJS.Timeout | undefined;
}

/** A browser says nothing of its call for this long: the call is over, and what there is of it is kept. In ms. */
const longestSilence = 60_000;
const maxLiveCalls = 20;

/** Calls under way. Browsers send them in parts, and each part is encrypted when it comes. */
export class LiveCalls {
  readonly #calls = new Map<string, LiveCall>();

  /**
   * Begins a call.
   * @param save - encrypts and keeps what it is given
   * @returns its id; `undefined` while there are too many
   */
  begin(
    organizationId: string,
    about: AboutRecording,
    save: (plain: Readable, about: () => AboutRecording) => Promise<RecordingEntry>,
  ): string | undefined {
    if (this.#calls.size >= maxLiveCalls) return undefined;
    const id = randomUUID();
    const plain = new PassThrough();
    plain.on("error", () => undefined); // `saved` tells
    const saved = save(plain, () => call.about);
    const call: LiveCall = { organizationId, plain, saved, about, next: 0, idle: undefined };
    this.#calls.set(id, call);
    this.#await(call);
    // Also where the key store refuses, and where nobody comes for the result.
    void saved
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(call.idle);
        if (this.#calls.get(id) === call) this.#calls.delete(id);
      });
    return id;
  }

  /** Takes the next part. @returns false for a call that is not under way, and for a part out of its order */
  async take(organizationId: string, id: string, number: number, part: Uint8Array): Promise<boolean> {
    const call = this.#find(organizationId, id);
    if (!call || number !== call.next) return false;
    call.next += 1;
    this.#await(call);
    if (!call.plain.write(part)) await Promise.race([once(call.plain, "drain"), call.saved]);
    return true;
  }

  /** Ends a call and keeps it. */
  async end(organizationId: string, id: string, seconds: number | undefined): Promise<RecordingEntry | undefined> {
    const call = this.#find(organizationId, id);
    if (!call) return undefined;
    call.about = { ...call.about, seconds };
    call.plain.end();
    return call.saved;
  }

  /** Ends all calls, and resolves when they are kept. */
  async close(): Promise<void> {
    const calls = [...this.#calls.values()];
    for (const { plain } of calls) plain.end();
    await Promise.allSettled(calls.map(({ saved }) => saved));
  }

  #find(organizationId: string, id: string): LiveCall | undefined {
    const call = this.#calls.get(id);
    return call?.organizationId === organizationId && !call.plain.writableEnded ? call : undefined;
  }

  #await(call: LiveCall): void {
    clearTimeout(call.idle);
    call.idle = setTimeout(() => call.plain.end(), longestSilence);
    call.idle.unref();
  }
}
