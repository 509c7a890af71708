import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { KmsProvider } from "../../../src/index.js";
import { KmsCallLimit } from "../../../src/kms/call-limit.js";
import { homeRegion, ids, world } from "./world.js";
import { kmsError } from "../../../src/kms/index.js";

const keyArn = `arn:aws:kms:${homeRegion}:000000000000:key/11111111-1111-1111-1111-111111111111`;
const answered = {
  keyArn,
  enabled: true,
  keyState: "Enabled",
  keySpec: "SYMMETRIC_DEFAULT",
  keyUsage: "ENCRYPT_DECRYPT",
};

/** A provider whose calls hang until the test has them fail as a timeout. */
function silent() {
  let fail: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (fail = resolve));
  const calls = { underWay: 0, fail };
  const call = async (): Promise<never> => {
    calls.underWay += 1;
    await over;
    calls.underWay -= 1;
    throw kmsError("timeout", { operation: "Decrypt", message: "no answer" });
  };
  return Object.assign(calls, { describeKey: call, encrypt: call, decrypt: call, generateDataKeyPair: call });
}

/** A provider whose calls take so long, or for ever, and then fail as a timeout after `deadline`. */
function provider(answersAfter: number | undefined, deadline = 100): KmsProvider & { underWay: number; most: number } {
  const calls = { underWay: 0, most: 0 };
  const call = async (): Promise<never> => {
    calls.underWay += 1;
    calls.most = Math.max(calls.most, calls.underWay);
    await sleep(answersAfter ?? deadline);
    calls.underWay -= 1;
    if (answersAfter === undefined) throw kmsError("timeout", { operation: "DescribeKey", message: "no answer" });
    return answered as never;
  };
  return Object.assign(calls, { describeKey: call, encrypt: call, decrypt: call, generateDataKeyPair: call });
}

describe("an organization whose KMS hangs", () => {
  it("slows no other: theirs open while its own wait", async () => {
    const hangs = silent();
    const {
      stores,
      configure,
      encrypt,
      opens,
      provider: answers,
    } = world({
      kmsCallsPerRegion: 8,
      // The same Region for all; only the first one's provider can be made to hang.
      resolveOrganization: (id) =>
        id === "org-0"
          ? {
              kms: {
                ...answers,
                describeKey: answers.describeKey.bind(answers),
                encrypt: answers.encrypt.bind(answers),
                decrypt: (request, options) => (hanging ? hangs.decrypt() : answers.decrypt(request, options)),
                generateDataKeyPair: answers.generateDataKeyPair.bind(answers),
              },
            }
          : {},
    });
    let hanging = false;
    const organizations = ids(20);
    await configure(...organizations);
    const bodies = new Map<string, Uint8Array>();
    for (const id of organizations) bodies.set(id, (await encrypt(id)).body);
    hanging = true;
    const first = Promise.allSettled([opens("org-0", bodies.get("org-0")!)]);
    await vi.waitFor(() => expect(hangs.underWay).toBe(1));
    const others = await Promise.all(organizations.slice(1).map((id) => opens(id, bodies.get(id)!)));
    expect(others).not.toContain(false);
    expect(hangs.underWay).toBe(1); // still, while all others have opened theirs
    hangs.fail();
    expect(await first).toMatchObject([
      { status: "rejected", reason: { code: "ERR_KMS_UNAVAILABLE", retryable: true } },
    ]);
    await stores.close();
  });
});

describe("a process's KMS calls", () => {
  it("are bounded per Region, over all organizations", async () => {
    const limit = new KmsCallLimit(12);
    const answers = provider(5);
    const shares = ids(40).map(() => limit.shareOf(answers));
    const calls = shares.flatMap((share) => [
      share.describeKey({ keyId: keyArn }),
      share.describeKey({ keyId: keyArn }),
    ]);
    expect(limit.underWay).toEqual([{ region: homeRegion, underWay: 9, waiting: 71 }]);
    await Promise.all(calls);
    expect(answers.most).toBe(9);
    expect(limit.underWay).toEqual([{ region: homeRegion, underWay: 0, waiting: 0 }]);
  });

  it("of however many organizations that hang leave three quarters to those that are answered", async () => {
    const limit = new KmsCallLimit(8, 60_000);
    const again = silent();
    const timesOut = provider(undefined, 1);
    let calls: { describeKey: KmsProvider["describeKey"]; underWay: number } = timesOut;
    const hanging = {
      ...timesOut,
      describeKey: (...args: Parameters<KmsProvider["describeKey"]>) => calls.describeKey(...args),
    };
    const shares = ids(24).map(() => limit.shareOf(hanging));
    await Promise.allSettled(shares.map((share) => share.describeKey({ keyId: keyArn }))); // they become known
    calls = again;
    const probes = Promise.allSettled(shares.map((share) => share.describeKey({ keyId: keyArn })));
    const answers = provider(1);
    await Promise.all(ids(30).map(() => limit.shareOf(answers).describeKey({ keyId: keyArn })));
    expect(calls.underWay).toBe(2); // still, while all others have been answered
    again.fail();
    await probes;
  });

  it("that find no slot fail in time, retryably, and an abort leaves the queue", async () => {
    const limit = new KmsCallLimit(2, 30);
    const hangs = provider(undefined, 300);
    const first = limit.shareOf(hangs).describeKey({ keyId: keyArn });
    first.catch(() => undefined);
    const controller = new AbortController();
    const leaves = limit.shareOf(hangs).describeKey({ keyId: keyArn }, { signal: controller.signal });
    const waits = limit.shareOf(hangs).describeKey({ keyId: keyArn });
    controller.abort(new Error("left"));
    await expect(leaves).rejects.toThrow("left");
    await expect(waits).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", kind: "timeout", retryable: true });
    await expect(first).rejects.toMatchObject({ kind: "timeout" });
    expect(limit.underWay).toEqual([{ region: homeRegion, underWay: 0, waiting: 0 }]);
    expect(hangs.most).toBe(1);
  });

  it("in another Region, and of one that answers with a refusal, are not held up", async () => {
    const limit = new KmsCallLimit(2, 30);
    const hangs = provider(undefined, 200);
    limit
      .shareOf(hangs)
      .describeKey({ keyId: keyArn })
      .catch(() => undefined);
    const elsewhere = limit.shareOf(provider(1)).describeKey({ keyId: keyArn.replace(homeRegion, "us-east-1") });
    await expect(elsewhere).resolves.toEqual(answered);
    const refuses: KmsProvider = {
      ...provider(1),
      describeKey: () => Promise.reject(kmsError("access-denied", { operation: "DescribeKey", message: "no" })),
    };
    const share = new KmsCallLimit(8).shareOf(refuses);
    for (let call = 0; call < 3; call += 1)
      await expect(share.describeKey({ keyId: keyArn })).rejects.toMatchObject({ kind: "access-denied" });
  });
});
