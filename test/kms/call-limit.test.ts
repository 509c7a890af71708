import { describe, expect, it } from "vitest";
import { KmsCallLimit } from "../../src/kms/call-limit.js";
import { GuardedKmsProvider } from "../../src/kms/guarded-kms-provider.js";
import type { KmsProvider } from "../../src/kms/kms-provider.js";
import { TestClock } from "../../src/in-memory-kms/test-clock.js";
import { encryptionContext, keyArn } from "./fixtures.js";
import { failure, turn } from "./held-kms.js";

interface HeldCall {
  answer(): Promise<void>;
  fail(): Promise<void>;
}

/** An organization with a KMS key of its own, whose calls end when the test says, through the limit of all. */
function tenant(limit: KmsCallLimit, keyId = keyArn) {
  const begun: HeldCall[] = [];
  const bytes = { publicKey: Buffer.alloc(32), privateKeyCiphertext: Buffer.alloc(64) };
  const hold = ({ keyId: asked }: { keyId: string }): Promise<never> =>
    new Promise((resolve, reject) =>
      begun.push({
        answer: () => (
          resolve({ keyArn: asked, plaintext: Buffer.alloc(32), ...bytes } as never),
          turn() as Promise<void>
        ),
        fail: () => (reject(failure("timeout")), turn() as Promise<void>),
      }),
    );
  const provider: KmsProvider = { describeKey: hold, encrypt: hold, decrypt: hold, generateDataKeyPair: hold };
  const guard = new GuardedKmsProvider(limit.shareOf(provider));
  const settled: string[] = [];
  const decrypt = (key = keyId) =>
    void guard.decrypt({ keyId: key, ciphertext: Buffer.from("c"), encryptionContext }).then(
      () => settled.push("opened"),
      (error: unknown) => settled.push(String(error)),
    );
  const makePair = () =>
    void guard.generateDataKeyPair({ keyId, spec: "RSA_4096", encryptionContext }).then(
      () => settled.push("made"),
      (error: unknown) => settled.push(String(error)),
    );
  return { begun, settled, decrypt, makePair };
}

async function limited(perRegion = 50) {
  const clock = new TestClock();
  const limit = new KmsCallLimit(perRegion, 60_000, clock);
  return { clock, limit };
}

const times = (count: number, task: () => void) => Array.from({ length: count }).forEach(task);

describe("KMS calls of several tenants", () => {
  it("four tenants whose KMS keys hang leave a slot to one who comes after them, at once", async () => {
    const { limit } = await limited();
    const stuttering = [1, 2, 3, 4].map(() => tenant(limit));
    for (const { decrypt } of stuttering) times(40, decrypt);
    await turn();
    const good = tenant(limit);
    for (let opened = 1; opened <= 20; opened += 1) {
      good.decrypt();
      await turn();
      expect(good.begun).toHaveLength(opened);
      await good.begun.at(-1)?.answer();
    }
    expect(good.settled).toEqual(Array(20).fill("opened"));
    expect(stuttering.map(({ settled }) => settled)).toEqual([[], [], [], []]);
  });

  it("a KMS key that stutters stays with its like until it has answered quickly several times in a row", async () => {
    const { limit, clock } = await limited();
    const stuttering = tenant(limit);
    stuttering.decrypt();
    await turn();
    clock.advance(1_000);
    await stuttering.begun[0]?.answer(); // an answer, but a slow one
    times(16, stuttering.decrypt);
    await turn();
    const probes = stuttering.begun.length - 1;
    expect(probes).toBeLessThanOrEqual(12); // a quarter of 50
    for (let quick = 1; quick <= 8; quick += 1) await stuttering.begun[quick]?.answer();
    for (let rest = 9; rest < stuttering.begun.length; rest += 1) await stuttering.begun[rest]?.answer();
    expect(stuttering.settled).toHaveLength(17);
    times(16, stuttering.decrypt);
    await turn();
    expect(stuttering.begun).toHaveLength(33);
  });

  it("a call that hangs counts as slow before it has ended", async () => {
    const { limit, clock } = await limited(8);
    const hanging = tenant(limit);
    hanging.decrypt();
    await turn();
    clock.advance(1_000);
    times(8, hanging.decrypt);
    await turn();
    expect(hanging.begun.length).toBeLessThanOrEqual(1 + 2); // and no more than the quarter for such
  });

  it("calls that waited while their KMS key turned out slow wait on with its like", async () => {
    const { limit, clock } = await limited(8);
    const hanging = tenant(limit);
    times(16, hanging.decrypt);
    await turn();
    const [before] = [hanging.begun.length];
    expect(before).toBe(5); // of the usual six, one is for who has none
    clock.advance(1_000);
    for (const call of [...hanging.begun]) await call.answer();
    expect(hanging.begun.length - before).toBeLessThanOrEqual(2);
  });

  it("one KMS key's trouble is not that of another one of the same organization", async () => {
    const { limit, clock } = await limited(8);
    const both = tenant(limit);
    both.decrypt();
    await turn();
    clock.advance(1_000);
    await both.begun[0]?.answer();
    const other = keyArn.replace(/.$/, "f");
    times(5, () => both.decrypt(other));
    await turn();
    expect(both.begun).toHaveLength(6);
  });

  it("making RSA key pairs, which takes seconds, is no trouble", async () => {
    const { limit, clock } = await limited(8);
    const rsa = tenant(limit);
    rsa.makePair();
    await turn();
    clock.advance(5_000);
    await rsa.begun[0]?.answer();
    times(5, rsa.decrypt);
    await turn();
    expect(rsa.begun).toHaveLength(6);
  });

  it("a set-back wall clock makes no call slow", async () => {
    const { limit, clock } = await limited(8);
    const quick = tenant(limit);
    quick.decrypt();
    await turn();
    clock.set(clock.now() - 3_600_000);
    await quick.begun[0]?.answer();
    times(5, quick.decrypt);
    await turn();
    expect(quick.begun).toHaveLength(6);
  });
});
