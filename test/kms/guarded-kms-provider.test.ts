import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { kmsFailureGroup, kmsFailureKinds, type KmsFailureKind, KmsError } from "../../src/kms/kms-error.js";
import { GuardedKmsProvider } from "../../src/kms/guarded-kms-provider.js";
import { callsOf, encryptionContext, keyAliasArn, keyArn, region, rejection } from "./fixtures.js";
import { failing, failure, guarded, turn, type Call } from "./held-kms.js";

describe("concurrency", () => {
  it.each([
    [undefined, 16],
    [1, 1],
    [3, 3],
  ])("of %s: at most %i at a time, in the order in which they came", async (concurrency, most) => {
    const { held, decrypt } = guarded(concurrency);
    const order: number[] = [];
    const all = Array.from({ length: 40 }, (_, index) => decrypt().then(() => order.push(index)));
    for (let done = 0; done < 40; done += 1) {
      await turn();
      expect(held.open).toBe(Math.min(most, 40 - done));
      held.calls[done]!.succeed();
    }
    await Promise.all(all);
    expect(held.mostOpen).toBe(most);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it("one Region's queue does not hold up another's", async () => {
    const { held, decrypt } = guarded(1);
    void decrypt();
    void decrypt();
    const elsewhere = decrypt({}, keyArn.replace(region, "us-east-1"));
    await turn();
    expect(held.calls.map(({ keyId }) => keyId)).toEqual([keyArn, keyArn.replace(region, "us-east-1")]);
    held.calls[1]!.succeed();
    await elsewhere;
  });

  it("who aborts in the queue leaves it, and nobody else does", async () => {
    const { held, decrypt } = guarded(1);
    const first = decrypt();
    const leaving = new AbortController();
    const second = rejection(decrypt({ signal: leaving.signal }));
    const third = decrypt();
    const reason = new Error("enough");
    await turn();
    leaving.abort(reason);
    expect(await second).toBe(reason);
    held.calls[0]!.succeed();
    await first;
    await turn();
    held.calls[1]!.succeed();
    await third;
    expect(held.calls).toHaveLength(2);
  });

  it("who aborts under way leaves at once; the permit is kept, and the late secret wiped", async () => {
    const { held, decrypt } = guarded(1);
    const wiped = vi.spyOn(Uint8Array.prototype, "fill");
    const controller = new AbortController();
    const first = rejection(decrypt({ signal: controller.signal }));
    const second = decrypt();
    await turn();
    controller.abort("enough");
    expect(await first).toBe("enough");
    await turn();
    expect(held.calls).toHaveLength(1);
    expect(wiped).not.toHaveBeenCalled();
    held.calls[0]!.succeed();
    await turn();
    expect(wiped).toHaveBeenCalledWith(0);
    wiped.mockRestore();
    held.calls[1]!.succeed();
    await second;
  });

  it("an aborted signal is not sent", async () => {
    const { held, decrypt } = guarded();
    expect(await rejection(decrypt({ signal: AbortSignal.abort("enough") }))).toBe("enough");
    expect(held.calls).toHaveLength(0);
  });
});

describe("while KMS does not answer", () => {
  it.each(kmsFailureKinds)("%s: one probe, if it is no answer", async (kind) => {
    const { held, decrypt } = await failing(kind);
    const calls = Array.from({ length: 10 }, () => rejection(decrypt()));
    await turn();
    expect(held.open).toBe(kmsFailureGroup(kind) === "unavailable" ? 1 : 10);
    held.calls.slice(1).forEach((call) => call.fail(failure(kind)));
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ kind });
  });

  it("all who come during a probe share its failure at once, each with an error of their own", async () => {
    const { held, guard, decrypt } = await failing();
    const probe = rejection(decrypt());
    await turn();
    const others = callsOf(guard, { alias: keyArn, key: keyArn });
    const waiting = Object.entries(others).map(([operation, call]) => [operation, rejection(call())] as const);
    await turn();
    expect(held.calls).toHaveLength(2);
    held.calls[1]!.fail(failure("unreachable"));
    const errors = new Set([await probe]);
    for (const [operation, rejected] of waiting) {
      const error = await rejected;
      expect(error).toMatchObject({
        kind: "unreachable",
        operation,
        keyId: keyArn,
        awsErrorName: "Name",
        requestId: "request-1",
      });
      expect((error as KmsError).message).toContain("told: unreachable");
      errors.add(error);
    }
    expect(errors.size).toBe(5);
    expect(held.calls).toHaveLength(2);
  });

  it.each<[string, (probe: Call) => void]>([
    ["an answer", (probe) => probe.succeed()],
    ["a refusal, which is an answer", (probe) => probe.fail(failure("access-denied"))],
  ])("after a probe that gets %s all go out themselves", async (_, end) => {
    const { held, decrypt } = await failing();
    const probe = rejection(decrypt());
    const others = Array.from({ length: 5 }, () => decrypt());
    await turn();
    expect(held.calls).toHaveLength(2);
    end(held.calls[1]!);
    await probe;
    await turn();
    expect(held.calls).toHaveLength(7);
    held.calls.slice(2).forEach((call) => call.succeed());
    await Promise.all(others);
  });

  it("there is no cool-down: the next call after KMS is back succeeds", async () => {
    const { held, decrypt } = await failing();
    const next = decrypt();
    await turn();
    held.calls[1]!.succeed();
    await next;
    const more = [decrypt(), decrypt()];
    await turn();
    expect(held.open).toBe(2);
    held.calls.slice(2).forEach((call) => call.succeed());
    await Promise.all(more);
  });

  it("a probe whose caller aborts is followed by the next who waits", async () => {
    const { held, decrypt } = await failing();
    const controller = new AbortController();
    const probe = rejection(decrypt({ signal: controller.signal }));
    const [second, third] = [decrypt(), decrypt()];
    await turn();
    expect(held.calls).toHaveLength(2);
    controller.abort("enough");
    expect(await probe).toBe("enough");
    await turn();
    expect(held.calls).toHaveLength(3);
    held.calls[2]!.succeed();
    await second;
    await turn();
    held.calls[3]!.succeed();
    await third;
  });

  it("who waits for a probe can abort alone", async () => {
    const { held, decrypt } = await failing();
    const probe = decrypt();
    const controller = new AbortController();
    const waiting = rejection(decrypt({ signal: controller.signal }));
    await turn();
    controller.abort("enough");
    expect(await waiting).toBe("enough");
    held.calls[1]!.succeed();
    await probe;
  });

  it("a queue behind hung calls does not wait for one deadline after the other", async () => {
    const { held, decrypt, settled, watch } = guarded(4);
    for (let index = 0; index < 100; index += 1) watch(decrypt());
    await turn();
    expect(held.open).toBe(4);
    held.calls[0]!.fail(failure("timeout"));
    await turn();
    expect(held.open).toBe(4); // three that hang, and one probe
    held.calls[4]!.fail(failure("timeout"));
    await turn();
    expect(settled).toHaveLength(97);
    held.calls.slice(1, 4).forEach((call) => call.fail(failure("timeout")));
    await turn();
    expect(settled).toHaveLength(100);
    expect(held.calls).toHaveLength(5);
  });

  it("another call that is answered meanwhile frees those who wait for the probe", async () => {
    const { held, decrypt } = guarded();
    const slow = decrypt();
    const failed = rejection(decrypt());
    await turn();
    held.calls[1]!.fail(failure("unreachable"));
    await failed;
    const probe = rejection(decrypt());
    const waiting = decrypt();
    await turn();
    expect(held.calls).toHaveLength(3);
    held.calls[0]!.succeed();
    await slow;
    await turn();
    expect(held.calls).toHaveLength(4);
    held.calls[3]!.succeed();
    await waiting;
    held.calls[2]!.fail(failure("unreachable"));
    expect(await probe).toMatchObject({ kind: "unreachable" });
  });

  it("a probe that was overtaken does not end the one after it", async () => {
    const { held, decrypt } = guarded();
    const slow = [decrypt(), rejection(decrypt())];
    const failed = rejection(decrypt());
    await turn();
    held.calls[2]!.fail(failure("timeout"));
    await failed;
    const overtaken = rejection(decrypt());
    await turn();
    held.calls[0]!.succeed();
    await slow[0];
    held.calls[1]!.fail(failure("timeout"));
    await slow[1];
    const probe = rejection(decrypt());
    await turn();
    held.calls[3]!.fail(failure("timeout"));
    expect(await overtaken).toMatchObject({ kind: "timeout" });
    const waiting = rejection(decrypt());
    await turn();
    expect(held.calls).toHaveLength(5);
    held.calls[4]!.fail(failure("unreachable"));
    expect(await probe).toMatchObject({ kind: "unreachable" });
    expect(await waiting).toMatchObject({ kind: "unreachable" });
  });

  const anotherKey = keyArn.replace(/key\/.*/, "key/another");

  it("one key's hanging calls take no place of another's, before and after the first has failed", async () => {
    const { held, decrypt } = guarded(2);
    const hanging = [decrypt(), decrypt(), decrypt()].map(rejection);
    const before = decrypt({}, anotherKey);
    await turn();
    expect(held.calls.map(({ keyId }) => keyId)).toEqual([keyArn, keyArn, anotherKey]);
    held.calls[2]!.succeed();
    await before;
    held.calls[0]!.fail(failure("timeout"));
    await hanging[0];
    await turn();
    expect(held.calls.map(({ keyId }) => keyId).slice(3)).toEqual([keyArn]); // a probe, which hangs too
    const after = [decrypt({}, anotherKey), decrypt({}, anotherKey)];
    await turn();
    expect(held.calls.map(({ keyId }) => keyId).slice(4)).toEqual([anotherKey, anotherKey]);
    held.calls.slice(4).forEach((call) => call.succeed());
    await Promise.all(after);
    held.calls[1]!.fail(failure("timeout"));
    held.calls[3]!.fail(failure("timeout"));
    for (const error of await Promise.all(hanging)) expect(error).toMatchObject({ kind: "timeout" });
  });

  it.each(kmsFailureKinds)(
    "%s is about the endpoint, and so every key of its Region, only if unreachable",
    async (kind) => {
      const { held, decrypt } = guarded();
      const known = decrypt({}, anotherKey);
      const elsewhere = decrypt({}, keyArn.replace(region, "us-east-1"));
      const failed = rejection(decrypt());
      await turn();
      held.calls[0]!.succeed();
      held.calls[1]!.succeed();
      await Promise.all([known, elsewhere]);
      held.calls[2]!.fail(failure(kind));
      await failed;
      const calls = Array.from({ length: 3 }, () => decrypt({}, anotherKey));
      const others = Array.from({ length: 3 }, () => decrypt({}, keyArn.replace(region, "us-east-1")));
      await turn();
      const sent = held.calls.slice(3).map(({ keyId }) => keyId);
      expect(sent.filter((keyId) => keyId === anotherKey)).toHaveLength(kind === "unreachable" ? 1 : 3);
      expect(sent.filter((keyId) => keyId !== anotherKey)).toHaveLength(3);
      held.calls.slice(3).forEach((call) => call.succeed());
      await turn();
      held.calls.slice(3 + sent.length).forEach((call) => call.succeed());
      await Promise.all([...calls, ...others]);
    },
  );

  it("many keys that come and go keep their limits while a caller who left is still served", async () => {
    const { held, decrypt } = guarded(1);
    const leaving = new AbortController();
    const left = rejection(decrypt({ signal: leaving.signal }));
    await turn();
    leaving.abort("enough");
    expect(await left).toBe("enough");
    for (let index = 0; index < 100; index += 1) {
      const one = decrypt({}, `${anotherKey}-${index}`);
      await turn();
      held.calls.at(-1)!.succeed();
      await one;
    }
    const next = decrypt();
    await turn();
    expect(held.calls).toHaveLength(101);
    held.calls[0]!.succeed();
    await turn();
    held.calls.at(-1)!.succeed();
    await next;
  });

  it("one Region's outage is not another's", async () => {
    const { held, decrypt } = await failing();
    const elsewhere = keyArn.replace(region, "us-east-1");
    const both = [decrypt({}, elsewhere), decrypt({}, elsewhere)];
    await turn();
    expect(held.calls.slice(1).map(({ keyId }) => keyId)).toEqual([elsewhere, elsewhere]);
    held.calls.slice(1).forEach((call) => call.succeed());
    await Promise.all(both);
  });

  it("in whatever order things happen, limits hold, calls end, and the circuit goes on working", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ do: "call" } as const) },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant("end" as const),
          which: fc.nat(),
          how: fc.constantFrom("ok", "timeout", "throttled", "access-denied", "unclassified"),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), which: fc.nat() }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, concurrency) => {
          const { held, decrypt, settled, watch } = guarded(concurrency);
          const controllers: AbortController[] = [];
          const ended = new Set<Call>();
          const end = (call: Call, how: string) => {
            ended.add(call);
            if (how === "ok") call.succeed();
            else call.fail(how === "unclassified" ? new TypeError("x") : failure(how as KmsFailureKind));
          };
          for (const each of steps) {
            const open = held.calls.filter((call) => !ended.has(call));
            if (each.do === "call") {
              const controller = new AbortController();
              controllers.push(controller);
              watch(decrypt({ signal: controller.signal }));
            } else if (each.do === "abort") controllers[each.which % controllers.length]?.abort("enough");
            else if (open.length > 0) end(open[each.which % open.length]!, each.how);
            if (each.do !== "call") await turn();
          }
          await turn();
          while (held.open > 0) {
            held.calls.filter((call) => !ended.has(call)).forEach((call) => end(call, "ok"));
            await turn();
          }
          expect(settled).toHaveLength(controllers.length);
          expect(
            settled.every((outcome) => outcome === "ok" || outcome === "enough" || outcome instanceof KmsError),
          ).toBe(true);
          expect(held.mostOpen).toBeLessThanOrEqual(concurrency);
          const after = Array.from({ length: concurrency }, () => rejection(decrypt()));
          await turn();
          while (held.open > 0) {
            held.calls.filter((call) => !ended.has(call)).forEach((call) => end(call, "ok"));
            await turn();
          }
          expect(await Promise.all(after)).toEqual(after.map(() => "no rejection"));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("a provider that does not keep its promises about failures", () => {
  it.each<[string, unknown]>([
    ["a plain error", new Error("boom")],
    ["a text", "boom"],
    ["nothing", undefined],
    ["another error of this library", new RecordingKeyStoreError("ERR_CLOSED", "closed")],
  ])("%s counts as an unexpected answer", async (_, thrown) => {
    const { held, decrypt } = guarded();
    const call = rejection(decrypt());
    await turn();
    held.calls[0]!.fail(thrown);
    const error = await call;
    expect(error).toBeInstanceOf(KmsError);
    expect(error).toMatchObject({ kind: "unexpected-answer", operation: "Decrypt", keyId: keyArn, retryable: true });
  });

  it.each([undefined, null, "text", 7])("an answer that is none is an unexpected one: %j", async (answer) => {
    const { held } = guarded();
    const given = async () => answer as never;
    const provider = { describeKey: given, encrypt: given, decrypt: given, generateDataKeyPair: given };
    const guard = new GuardedKmsProvider({ ...held.provider, ...provider });
    for (const [operation, call] of Object.entries(callsOf(guard, { alias: keyAliasArn, key: keyArn }))) {
      const keyId = operation === "Decrypt" ? keyArn : keyAliasArn;
      const message = `the KMS provider answered ${operation} for ${keyId} with nothing`;
      expect(await rejection(call())).toMatchObject({ kind: "unexpected-answer", operation, keyId, message });
    }
  });

  it("throwing instead of rejecting too", async () => {
    const { held } = guarded(1);
    const thrower = new GuardedKmsProvider(
      {
        ...held.provider,
        decrypt: () => {
          throw new Error("boom");
        },
      },
      { concurrency: 1 },
    );
    const decrypt = () =>
      rejection(thrower.decrypt({ keyId: keyArn, ciphertext: Buffer.from("c"), encryptionContext }));
    for (let index = 0; index < 3; index += 1) expect(await decrypt()).toMatchObject({ kind: "unexpected-answer" });
  });

  it("a KmsError of another copy of the package is made one of this", async () => {
    const foreign = Object.assign(new RecordingKeyStoreError("ERR_KMS_REFUSED", "told"), {
      kind: "key-disabled",
      operation: "Decrypt",
      keyId: keyArn,
      awsErrorName: "DisabledException",
    });
    const { held, decrypt } = guarded();
    const call = rejection(decrypt());
    await turn();
    held.calls[0]!.fail(foreign);
    const error = await call;
    expect(error).toBeInstanceOf(KmsError);
    expect(error).toMatchObject({
      kind: "key-disabled",
      code: "ERR_KMS_REFUSED",
      awsErrorName: "DisabledException",
      message: "told",
    });
  });
});
