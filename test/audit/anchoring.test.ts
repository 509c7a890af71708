import { describe, expect, it } from "vitest";
import { AnchoredHeads } from "../../src/audit/anchoring.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { kms as kmsOfAll, kmsKeyAliasArn } from "../support/kms-known-to-all.js";

/** A log that is anchored after every tenth entry, by a KMS that fails while `away`. */
function anchoring() {
  const kms = { calls: 0, away: false };
  const encrypt: typeof kmsOfAll.encrypt = async (...call) => {
    kms.calls += 1;
    if (kms.away) throw kmsError("access-denied", { operation: "Encrypt", message: "not now" });
    return kmsOfAll.encrypt(...call);
  };
  const anchor = { kms: { ...kmsOfAll, encrypt }, keyId: kmsKeyAliasArn, organizationId: "org-1", every: 10 };
  const heads = new AnchoredHeads(anchor);
  let sequence = 0;
  const headAt = (at: number) => ({ chain: "c", sequence: at, digest: `digest ${at}` });
  /** Writes entries, one after another. */
  const write = async (entries: number) => {
    for (let left = entries; left > 0; left -= 1) {
      heads.wrote(headAt((sequence += 1)), 1);
      await heads.settled();
    }
  };
  return { kms, heads, write, end: () => heads.anchorLast(headAt(sequence)) };
}

describe("an anchor that fails", () => {
  it("is made up for at the next entry", async () => {
    const { kms, heads, write } = anchoring();
    kms.away = true;
    await write(10);
    expect(heads).toMatchObject({ anchored: undefined, error: { code: "ERR_KMS_REFUSED" } });
    kms.away = false;
    await write(1);
    expect(heads).toMatchObject({ anchored: { sequence: 11 }, error: undefined });
    await write(9);
    expect(heads.anchored?.sequence).toBe(11);
    await write(1);
    expect(heads.anchored?.sequence).toBe(21);
  });

  it("is tried again after 1, 2, 4 and 8 entries, and then after as many as ever", async () => {
    const { kms, write } = anchoring();
    kms.away = true;
    const calls: number[] = [];
    for (let entry = 1; entry <= 45; entry += 1) {
      const before = kms.calls;
      await write(1);
      if (kms.calls > before) calls.push(entry);
    }
    expect(calls).toEqual([10, 11, 13, 17, 25, 35, 45]);
  });

  it("is made up for at the log's end", async () => {
    const { kms, heads, write, end } = anchoring();
    kms.away = true;
    await write(10);
    kms.away = false;
    await end();
    expect(heads.anchored?.sequence).toBe(10);
    await end();
    expect(kms.calls).toBe(2);
  });
});
