import { createHash, randomBytes, randomUUID } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../../src/key-pairs/key-pair.js";
import {
  byAnyWrapping,
  checkAnyCovered,
  furtherWrappings,
  kmsKeysOf,
  storedWrapping,
  wrappingIdOf,
} from "../../src/key-pairs/wrappings.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "../../src/kms/kms-error.js";
import { accountId, homeRegion, kmsKeyAliasArn, organizationId, world, type WorkerOptions } from "./world.js";

const arnOf = (id: string, { region = homeRegion, account = accountId } = {}) =>
  `arn:aws:kms:${region}:${account}:key/${id}`;
const noise = (kmsKeyArn: string): KmsCiphertext => ({ kmsKeyArn, ciphertext: randomBytes(150) });
const failure = (kind: KmsFailureKind, message = "no") => kmsError(kind, { operation: "Decrypt", message });

/** A pair with further wrappings under KMS keys of these names, and attempts to open it that fail as a test says. */
async function wrapped(names: readonly string[], options: WorkerOptions = {}) {
  const parts = world();
  const { pair } = await parts.configured();
  const { context } = parts.worker(options);
  const put = (kmsKeyArn: string) =>
    parts.store.createWrapping(organizationId, pair.birth.keyPairId, storedWrapping(pair, noise(kmsKeyArn)));
  for (const name of names) await put(arnOf(name));
  const tried: string[] = [];
  /** Under all other keys than these the attempt fails as under a key that does not exist. */
  const opening = async (
    outcomes: Readonly<Record<string, KmsFailureKind | "opens">>,
    historyKeys: readonly string[] = [],
  ) => {
    const attempt = async ({ kmsKeyArn }: KmsCiphertext) => {
      const name = kmsKeyArn === pair.wrapping.kmsKeyArn ? "own" : kmsKeyArn.split("/").at(-1)!;
      tried.push(name);
      const outcome = outcomes[name] ?? "key-not-found";
      if (outcome !== "opens") throw failure(outcome, name);
      return name;
    };
    const keys = new Set(historyKeys.map((name) => arnOf(name)));
    return byAnyWrapping({ ...context, historyKeys: async () => keys }, pair, attempt);
  };
  return { ...parts, pair, context, put, tried, opening };
}

describe("a further wrapping", () => {
  it("has the SHA-256 of its KMS key's ARN for an id", () => {
    const arn = arnOf("1");
    expect(wrappingIdOf(arn)).toBe(createHash("sha256").update(arn).digest("base64url"));
    expect(wrappingIdOf(arn)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("names the pair that it is of", () => {
    const [digest, ciphertext] = [Buffer.alloc(32, 1), Buffer.from("c")];
    const wrapping = { kmsKeyArn: arnOf("1"), ciphertext };
    expect(storedWrapping({ digest }, { ...wrapping, more: "left out" } as KmsCiphertext)).toEqual({
      wrappingId: wrappingIdOf(arnOf("1")),
      document: encodeDocument("wrapping", { digest, wrapping }),
    });
  });

  it("comes back as it was stored", async () => {
    const { context, pair, store } = await wrapped([]);
    const wrapping = noise(arnOf("1"));
    await store.createWrapping(organizationId, pair.birth.keyPairId, storedWrapping(pair, wrapping));
    expect(await furtherWrappings(context, pair)).toEqual([wrapping]);
  });

  const alias = (arn: string) => arn.replace(/key\/.*/, "alias/recordings");
  it.each<[what: string, change: (pair: ClaimedKeyPair) => { wrappingId: string; document: Uint8Array }]>([
    ["is damaged", () => ({ wrappingId: "w", document: Buffer.from("torn") })],
    ["is a note of another kind", (pair) => ({ wrappingId: "fate", document: encodeDocument("fate", pair) })],
    ["is of another pair", () => storedWrapping({ digest: randomBytes(32) }, noise(arnOf("1")))],
    ["lies in another key's place", (pair) => ({ ...storedWrapping(pair, noise(arnOf("1"))), wrappingId: "w" })],
    [
      "is under a key that nobody trusts",
      (pair) => storedWrapping(pair, noise(arnOf("1", { account: "999999999999" }))),
    ],
    ["is under an alias", (pair) => storedWrapping(pair, noise(alias(arnOf("1"))))],
  ])("is left out if it %s, and the others are not", async (_, change) => {
    const { context, pair, store } = await wrapped(["genuine"]);
    await store.createWrapping(organizationId, pair.birth.keyPairId, change(pair));
    expect((await furtherWrappings(context, pair)).map(({ kmsKeyArn }) => kmsKeyArn)).toEqual([arnOf("genuine")]);
  });

  it("is read for a caller who may leave, and not past a bug", async () => {
    const { context, pair } = await wrapped(["1"]);
    const { signal } = new AbortController();
    const list = vi.spyOn(context.records, "listWrappings");
    await furtherWrappings(context, pair, signal);
    expect(list.mock.lastCall).toEqual([pair.birth.keyPairId, signal]);
    const bug = new TypeError("a bug");
    vi.spyOn(context.trust, "coversKey").mockImplementation(() => {
      throw bug;
    });
    await expect(furtherWrappings(context, pair)).rejects.toBe(bug);
  });
});

describe("the KMS keys of a history", () => {
  it("are those of its pairs, newest first and each once", async () => {
    const { kms, configured } = world();
    const { pair: first, rotation, records } = await configured();
    await rotation.rotate({});
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    const newest = await rotation.rotate({});
    expect([...(await kmsKeysOf(records, newest))]).toEqual([newest.wrapping.kmsKeyArn, first.wrapping.kmsKeyArn]);
    expect([...(await kmsKeysOf(records, first))]).toEqual([first.wrapping.kmsKeyArn]);
  });

  it("are none where there is no pair, and what could be read where the store has lost one", async () => {
    const { kms, configured, store } = world();
    const { pair: first, rotation, records } = await configured();
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    const newest = await rotation.rotate({});
    expect([...(await kmsKeysOf(records, undefined))]).toEqual([]);
    await store.removeKeyPair(organizationId, first.birth.keyPairId);
    expect([...(await kmsKeysOf(records, newest))]).toEqual([newest.wrapping.kmsKeyArn]);
    vi.spyOn(store, "listKeyPairs").mockRejectedValue(new Error("away"));
    expect([...(await kmsKeysOf(records, newest))]).toEqual([]);
  });

  it("are read a page at a time, and not past a bug", async () => {
    const { configured } = world();
    const { pair, records } = await configured();
    const list = vi.spyOn(records, "list");
    await kmsKeysOf(records, pair);
    expect(list.mock.lastCall?.[1]()).toBe(50);
    const bug = new TypeError("a bug");
    list.mockImplementation(() => {
      throw bug;
    });
    await expect(kmsKeysOf(records, pair)).rejects.toBe(bug);
  });
});

describe("opening a pair", () => {
  it("takes its own wrapping alone while that opens, and reads no other", async () => {
    const { opening, tried, context } = await wrapped(["1"]);
    const list = vi.spyOn(context.records, "listWrappings");
    expect(await opening({ own: "opens", 1: "opens" })).toBe("own");
    expect({ tried, read: list.mock.calls.length }).toEqual({ tried: ["own"], read: 0 });
  });

  it.each(kmsFailureKinds)(
    "takes a further one where KMS refuses the pair's own key, and only then: %s",
    async (kind) => {
      const { opening, tried } = await wrapped(["1"]);
      const opened = opening({ own: kind, 1: "opens" });
      if (failure(kind).code === "ERR_KMS_REFUSED") {
        expect(await opened).toBe("1");
      } else {
        await expect(opened).rejects.toMatchObject({ kind });
        expect(tried).toEqual(["own"]);
      }
    },
  );

  it("takes a further one where the anchor no longer covers the pair's own key", async () => {
    const { opening, tried } = await wrapped(["1", "2"], { trustedKmsKeys: [arnOf("1")] });
    expect(await opening({ own: "opens", 1: "opens", 2: "opens" })).toBe("1");
    expect(tried).toEqual(["1"]);
  });

  it("is refused where the anchor covers no wrapping", async () => {
    const { opening, tried, pair } = await wrapped(["1"], { trustedKmsKeys: ["999999999999"] });
    await expect(opening({ own: "opens", 1: "opens" })).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: expect.stringContaining(`is under ${pair.wrapping.kmsKeyArn}, which trustedKmsKeys does not cover`),
    });
    expect(tried).toEqual([]);
  });

  it("is refused where the pair's own key can't be its alias's, whatever else there is", async () => {
    const { context, pair, tried } = await wrapped(["1"]);
    const odd = { ...pair, wrapping: noise(arnOf("1", { region: "eu-central-1" })) };
    const attempt = async ({ kmsKeyArn }: KmsCiphertext) => tried.push(kmsKeyArn);
    const opened = byAnyWrapping({ ...context, historyKeys: async () => new Set<string>() }, odd, attempt);
    await expect(opened).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(tried).toEqual([]);
  });

  it("goes on past what does not open, and reports the failure of the pair's own key", async () => {
    const { opening, tried } = await wrapped(["1", "2"]);
    const failing = { own: "key-disabled", 1: "access-denied", 2: "invalid-ciphertext" } as const;
    await expect(opening(failing)).rejects.toMatchObject({ kind: "key-disabled", message: "own" });
    expect(tried.sort()).toEqual(["1", "2", "own"]);
    expect(await opening({ ...failing, 2: "opens" })).toBe("2");
  });

  it("reports an outage of a further key, since that will pass", async () => {
    const { opening } = await wrapped(["1", "2"]);
    const away = opening({ own: "key-disabled", 1: "timeout", 2: "access-denied" });
    await expect(away).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", message: "1" });
  });

  it("goes on past a further wrapping that opens to another private half", async () => {
    const { context, pair } = await wrapped(["1", "2"]);
    const bug = new TypeError("not a private half");
    const attempt = async ({ kmsKeyArn }: KmsCiphertext) => {
      if (kmsKeyArn === pair.wrapping.kmsKeyArn) throw failure("key-disabled");
      if (kmsKeyArn === arnOf("1")) throw bug;
      return kmsKeyArn;
    };
    expect(await byAnyWrapping({ ...context, historyKeys: async () => new Set<string>() }, pair, attempt)).toBe(
      arnOf("2"),
    );
  });

  it("leaves the refusal what it is where further wrappings can't be read", async () => {
    const { opening, store } = await wrapped(["1"]);
    vi.spyOn(store, "listWrappings").mockRejectedValue(new Error("away"));
    await expect(opening({ own: "key-disabled", 1: "opens" })).rejects.toMatchObject({ kind: "key-disabled" });
  });

  it("asks for the keys of the history only where there is a choice", async () => {
    const { context, pair, put } = await wrapped([]);
    await put(pair.wrapping.kmsKeyArn);
    const historyKeys = vi.fn(async () => new Set<string>());
    const refused = () => Promise.reject(failure("key-disabled"));
    await expect(byAnyWrapping({ ...context, historyKeys }, pair, refused)).rejects.toMatchObject({
      kind: "key-disabled",
    });
    expect(historyKeys).not.toHaveBeenCalled();
  });

  it("ends with its caller", async () => {
    const { context, pair } = await wrapped(["1", "2"]);
    const [leaving, left] = [new AbortController(), new Error("left")];
    const tried: string[] = [];
    const attempt = async ({ kmsKeyArn }: KmsCiphertext) => {
      tried.push(kmsKeyArn);
      if (tried.length === 2) leaving.abort(left);
      throw failure("key-disabled");
    };
    const parts = { ...context, historyKeys: async () => new Set<string>() };
    const list = vi.spyOn(context.records, "listWrappings");
    await expect(byAnyWrapping(parts, pair, attempt, leaving.signal)).rejects.toBe(left);
    expect({ tried: tried.length, signal: list.mock.lastCall?.[1] }).toEqual({ tried: 2, signal: leaving.signal });
  });
});

describe("opening a pair beside which a store writer has planted 500 wrappings", () => {
  /** The planted ones lie before and behind the genuine ones: wrappings are listed by the hashes of their keys. */
  async function planted(genuine: readonly string[]) {
    const names = Array.from({ length: 500 }, () => randomUUID());
    const parts = await wrapped([...names, ...genuine]);
    return { ...parts, names };
  }

  it("costs 8 attempts more than the pair's own where the history names none of them", async () => {
    const { opening, tried, names } = await planted([]);
    await expect(opening({ own: "key-disabled" })).rejects.toMatchObject({ message: "own" });
    expect(tried).toHaveLength(1 + 8);
    expect(names).toEqual(expect.arrayContaining(tried.slice(1)));
  });

  it("tries the history's keys first, the newest before the others", async () => {
    const { opening, tried } = await planted(["newest", "older"]);
    const historyKeys = ["newest", "without-wrapping", "older"];
    await expect(opening({ own: "key-disabled" }, historyKeys)).rejects.toMatchObject({ message: "own" });
    expect(tried.slice(0, 3)).toEqual(["own", "newest", "older"]);
    expect(tried).toHaveLength(1 + 2 + 8);
    expect(new Set(tried).size).toBe(tried.length);
  });

  it("opens by a genuine one at the first further attempt", async () => {
    const { opening, tried } = await planted(["active"]);
    expect(await opening({ own: "key-disabled", active: "opens" }, ["active"])).toBe("active");
    expect(tried).toEqual(["own", "active"]);
  });

  it("spends none of the attempts on the pair's own key again", async () => {
    const { opening, tried, pair, put } = await planted([]);
    await put(pair.wrapping.kmsKeyArn);
    await expect(opening({ own: "key-disabled" })).rejects.toMatchObject({ message: "own" });
    expect(tried.filter((name) => name === "own")).toHaveLength(1);
    expect(tried).toHaveLength(9);
  });
});

describe("whether any wrapping of a pair is covered", () => {
  const check = ({ context, pair }: Awaited<ReturnType<typeof wrapped>>, signal?: AbortSignal) =>
    checkAnyCovered({ ...context, historyKeys: async () => new Set<string>() }, pair, signal);

  it("is not asked of the store where its own is", async () => {
    const parts = await wrapped(["1"]);
    const list = vi.spyOn(parts.context.records, "listWrappings");
    await expect(check(parts)).resolves.toBeUndefined();
    expect(list).not.toHaveBeenCalled();
  });

  it("is so where a further one is", async () => {
    const parts = await wrapped(["1"], { trustedKmsKeys: [arnOf("1")] });
    await expect(check(parts)).resolves.toBeUndefined();
    const { signal } = new AbortController();
    const list = vi.spyOn(parts.context.records, "listWrappings");
    await check(parts, signal);
    expect(list.mock.lastCall?.[1]).toBe(signal);
  });

  it("is not so where none is", async () => {
    const parts = await wrapped(["1"], { trustedKmsKeys: [arnOf("2")] });
    await expect(check(parts)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("is unknown while the store is away", async () => {
    const parts = await wrapped(["1"], { trustedKmsKeys: [arnOf("1")] });
    vi.spyOn(parts.store, "listWrappings").mockRejectedValue(new Error("away"));
    await expect(check(parts)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });
});
