import { createContext, runInContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createTestKeyStore, MemoryKeyPairStore } from "../../src/testing/index.js";
import { fileSource } from "../../src/sources/index.js";
import { isAbortSignal, isError, isUrl, plainBytes, unref } from "../../src/util/realms.js";

const context = createContext({});
const foreign = (expression: string): unknown => runInContext(expression, context);
const recordingId = "call-1";
afterEach(() => vi.unstubAllGlobals());

/** A signal of a DOM's own, which Node's classes know nothing of. */
class ForeignSignal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();
  addEventListener = (_type: string, listener: () => void) => void this.#listeners.add(listener);
  removeEventListener = (_type: string, listener: () => void) => void this.#listeners.delete(listener);
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
  get listeners() {
    return this.#listeners.size;
  }
  abort(reason: unknown) {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }
}

class ForeignController {
  readonly signal = new ForeignSignal();
  abort(reason: unknown) {
    this.signal.abort(reason);
  }
}

describe("values of another realm", () => {
  it("are known by what they are", () => {
    expect(isError(foreign("new TypeError('x')"))).toBe(true);
    expect(isError({ message: "x" })).toBe(false);
    expect(isAbortSignal(new ForeignSignal())).toBe(true);
    expect(isAbortSignal(AbortSignal.abort())).toBe(true);
    for (const other of [undefined, null, {}, { aborted: false }, new EventTarget(), "signal"])
      expect(isAbortSignal(other)).toBe(false);
    expect(isUrl(new URL("file:///a"))).toBe(true);
    for (const other of [undefined, null, {}, "file:///a"]) expect(isUrl(other)).toBe(false);
  });

  it("are bytes in a store, in recordings and in options", async () => {
    const document = foreign("new Uint8Array([1, 2, 3])") as Uint8Array;
    expect(document).not.toBeInstanceOf(Uint8Array);
    const store = new MemoryKeyPairStore();
    await store.writeStatus("org", document);
    expect(Buffer.from((await store.readStatus("org")) ?? [])).toEqual(Buffer.from([1, 2, 3]));
    const { keyStore } = await createTestKeyStore({ fleetSecret: foreign("new Uint8Array(32).fill(7)") as Uint8Array });
    const { body } = await keyStore.encryptRecording(document, { recordingId });
    const copy = (foreign("(bytes) => new Uint8Array(bytes)") as (bytes: Uint8Array) => Uint8Array)(body);
    const decrypted = await keyStore.decryptRecording(copy, { recordingId });
    expect(Buffer.from(decrypted.body)).toEqual(Buffer.from([1, 2, 3]));
    await keyStore.close();
  });

  it("are signals that end a call, and bear no listener after it", async () => {
    const { keyStore } = await createTestKeyStore();
    const signal = new ForeignSignal();
    await keyStore.encryptRecording(new Uint8Array(9), { recordingId, signal: signal as unknown as AbortSignal });
    expect(signal.listeners).toBe(0);
    signal.abort(new Error("no longer wanted"));
    await expect(
      keyStore.encryptRecording(new Uint8Array(9), { recordingId, signal: signal as unknown as AbortSignal }),
    ).rejects.toThrow("no longer wanted");
    await keyStore.close();
  });

  it("are URLs of files", async () => {
    const { href, protocol, pathname, host, hostname, search, hash } = new URL(import.meta.url);
    const url: unknown = { href, protocol, pathname, host, hostname, search, hash };
    const source = await fileSource(url as URL);
    expect(source.size).toBeGreaterThan(0);
    await source.close();
  });
});

describe("a runner whose globals are those of a DOM", () => {
  it("has a Uint8Array that no Buffer is an instance of", async () => {
    vi.stubGlobal("Uint8Array", foreign("Uint8Array"));
    expect(Buffer.alloc(1) instanceof Uint8Array).toBe(false);
    expect(plainBytes(Buffer.from("a")) instanceof Uint8Array).toBe(true);
    const { keyStore } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId });
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId })).body).toString()).toBe("audio");
    await keyStore.close();
  });

  it("has signals of its own, and timers that are numbers", async () => {
    vi.stubGlobal("AbortController", ForeignController);
    const real = setTimeout;
    vi.stubGlobal("setTimeout", (...args: Parameters<typeof setTimeout>) => Number(real(...args)));
    const { keyStore } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId });
    expect((await keyStore.decryptRecording(body, { recordingId })).body.length).toBe(5);
    await keyStore.close();
    expect(unref(7 as unknown as NodeJS.Timeout)).toBe(7);
  });

  it("lacks classes that Node has elsewhere", async () => {
    for (const name of ["TextDecoder", "TextEncoder", "ReadableStream", "setImmediate"]) vi.stubGlobal(name, undefined);
    const { keyStore } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId, metadata: { a: 1 } });
    expect((await keyStore.readMetadata(body, { recordingId })).metadata).toEqual({ a: 1 });
    expect(await keyStore.status()).toBeDefined();
    await keyStore.close();
  });
});
