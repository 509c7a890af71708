import { createHash, randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RecordingInput, RecordingKeyStore } from "../../src/index.js";
import { createTestKeyStore, MemoryKeyPairStore } from "../../src/testing/index.js";
import { collect } from "../recording/support.js";

const recording = { recordingId: "r" };

/** A store whose head takes a while, so that the key is not there at once. */
class SlowStore extends MemoryKeyPairStore {
  override async readHead(...args: Parameters<MemoryKeyPairStore["readHead"]>) {
    await sleep(20);
    return super.readHead(...args);
  }
}

/** A recorder that writes whether anybody listens or not. */
function live(audio: Buffer): PassThrough {
  const source = new PassThrough({ highWaterMark: audio.length });
  let written = 0;
  const timer = setInterval(() => {
    if (written >= audio.length) {
      clearInterval(timer);
      source.end();
    } else source.write(audio.subarray(written, (written += 4_000)));
  }, 1);
  return source;
}

const decrypted = async (keyStore: RecordingKeyStore, body: Readable) =>
  collect((await keyStore.decryptRecording(body, recording)).body);

describe("a live source", () => {
  it("loses nothing to a listener that reads it too while the key is fetched", async () => {
    const { keyStore } = await createTestKeyStore({ store: new SlowStore() });
    const audio = randomBytes(200_000);
    const source = live(audio);
    const hash = createHash("sha256");
    source.on("data", (chunk: Buffer) => hash.update(chunk));
    const { body } = await keyStore.encryptRecording(source, recording);
    expect(audio.equals(await decrypted(keyStore, body))).toBe(true);
    expect(hash.digest()).toEqual(createHash("sha256").update(audio).digest());
  });

  it("is refused once its beginning has gone to somebody else, or where somebody reads it by events", async () => {
    const { keyStore } = await createTestKeyStore();
    const flowing = live(randomBytes(50_000)).on("data", () => undefined);
    await once(flowing, "data");
    const watched = live(randomBytes(50_000)).on("readable", () => undefined);
    for (const source of [flowing, watched]) {
      await expect(keyStore.encryptRecording(source, recording)).rejects.toMatchObject({ field: "recording" });
    }
  });

  it("may have been looked at and put back", async () => {
    const { keyStore } = await createTestKeyStore();
    const audio = randomBytes(10_000);
    const source = Readable.from([audio.subarray(0, 100), audio.subarray(100)]);
    await once(source, "readable");
    source.unshift(source.read() as Buffer);
    const { body } = await keyStore.encryptRecording(source, recording);
    expect(audio.equals(await decrypted(keyStore, body))).toBe(true);
  });
});

type Refusal = (keyStore: RecordingKeyStore, input: never) => Promise<unknown>;
const aborted = { ...recording, signal: AbortSignal.abort(new Error("left")) };
const refusals: Record<string, Refusal> = {
  "encrypt, with bad options": (keyStore, input) => keyStore.encryptRecording(input, { recordingId: "" }),
  "encrypt, without options": (keyStore, input) => keyStore.encryptRecording(input, undefined as never),
  "encrypt, after abort": (keyStore, input) => keyStore.encryptRecording(input, aborted),
  "encrypt, not configured": (keyStore, input) => keyStore.encryptRecording(input, recording),
  "encrypt, closed": async (keyStore, input) => {
    await keyStore.close();
    return keyStore.encryptRecording(input, recording);
  },
  "decrypt, with bad options": (keyStore, input) => keyStore.decryptRecording(input, { recordingId: "" }),
  "decrypt, after abort": (keyStore, input) => keyStore.decryptRecording(input, aborted),
  "decrypt, of what is no recording": (keyStore, input) => keyStore.decryptRecording(input, recording),
  "salvage, of what is no recording": (keyStore, input) => keyStore.salvageRecording(input, recording),
  "readMetadata, with bad options": (keyStore, input) => keyStore.readMetadata(input, { recordingId: "" }),
  "readMetadata, of what is no recording": (keyStore, input) => keyStore.readMetadata(input, recording),
};

interface Shape {
  readonly input: RecordingInput;
  readonly isOver: () => boolean;
  /** What happens to the source afterwards must not end the process. */
  readonly fail?: () => void;
}
const chunk = Buffer.from("not a recording, and longer than a header's beginning");
const shapes: Record<string, () => Shape> = {
  "a Readable": () => {
    const input = new Readable({ read: () => undefined });
    input.push(chunk);
    return { input, isOver: () => input.destroyed, fail: () => void input.emit("error", new Error("late")) };
  },
  "a ReadableStream": () => {
    let cancelled = false;
    const input = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(chunk),
      cancel: () => void (cancelled = true),
    });
    return { input, isOver: () => cancelled };
  },
  "an async iterable": () => {
    let returned = false;
    const iterator = {
      next: async () => ({ done: false as const, value: chunk }),
      return: async () => ((returned = true), { done: true as const, value: undefined }),
    };
    return { input: { [Symbol.asyncIterator]: () => iterator }, isOver: () => returned };
  },
};

describe.each(Object.keys(refusals))("a call that is refused: %s", (refusal) => {
  it.each(Object.keys(shapes))("leaves nothing open of %s", async (shape) => {
    const { keyStore } = await createTestKeyStore({ configuration: false });
    const { input, isOver, fail } = shapes[shape]!();
    await expect(refusals[refusal]!(keyStore, input as never)).rejects.toThrow();
    await sleep(0);
    expect(isOver()).toBe(true);
    fail?.();
    fail?.();
  });
});

describe("a source that fails while it is decrypted", () => {
  it("may fail again", async () => {
    const { keyStore } = await createTestKeyStore();
    const source = new Readable({ read: () => undefined });
    const opening = keyStore.decryptRecording(source, recording);
    source.destroy(new Error("first"));
    await expect(opening).rejects.toThrow("first");
    expect(EventEmitter.prototype.emit.call(source, "error", new Error("second"))).toBe(true);
  });
});

it("a stream of text is refused without a word of it", async () => {
  const { keyStore } = await createTestKeyStore();
  const { done, body } = await keyStore.encryptRecording(Readable.from(["patient: secret"]), recording);
  body.on("error", () => undefined).resume();
  await expect(done).rejects.toThrow(/^recording: must be a stream of Uint8Array chunks, not of strings$/);
});
