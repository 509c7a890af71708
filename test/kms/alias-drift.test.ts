import { describe, expect, it } from "vitest";
import { diagnoseAliasDrift } from "../../src/kms/alias-drift.js";
import { kmsFailureGroup, kmsFailureKinds } from "../../src/kms/kms-error.js";
import { keyAliasArn, keyArn } from "./fixtures.js";

const moved = keyArn.replace(/key\/.*/, "key/11111111-2222-3333-4444-555555555555");
const told = (facts: Partial<Parameters<typeof diagnoseAliasDrift>[0]>) =>
  diagnoseAliasDrift({
    ...{
      kmsKeyAliasArn: keyAliasArn,
      activeKmsKeyArn: keyArn,
      kmsKeyArn: undefined,
      refusal: undefined,
      isTaken: false,
    },
    ...facts,
  });
const refusals = kmsFailureKinds.filter((kind) => kmsFailureGroup(kind) === "refused");

describe("what an administrator is told of an alias that leads elsewhere", () => {
  it.each([
    ["moves", "Change Key Now moves recordings to it, and so does the next", { kmsKeyArn: moved, isTaken: true }],
    ["fails", "trustedKmsKeys does not cover it", { kmsKeyArn: moved }],
    ["unknown", "Change Key Now moves recordings to it, if its key policy", {}],
  ] as const)("is that a change of key %s", (keyChange, first, facts) => {
    const { diagnosis, ...rest } = told(facts);
    expect(rest).toEqual({ keyChange });
    expect(diagnosis.whatToDo[0]).toContain(first);
    expect(diagnosis.summary).toContain(keyAliasArn);
    expect(diagnosis.summary).toContain(keyArn);
    expect(diagnosis.summary.includes(moved)).toBe("kmsKeyArn" in facts);
  });

  it.each(refusals)("is that a change of key fails where KMS refuses it as %s, and a remedy of its own", (refusal) => {
    const { keyChange, diagnosis } = told({ refusal });
    expect(keyChange).toBe("fails");
    const others = refusals.filter((kind) => kind !== refusal);
    for (const kind of others) expect(told({ refusal: kind }).diagnosis.whatToDo[0]).not.toBe(diagnosis.whatToDo[0]);
  });

  it("is always that nothing is lost, and how to undo it", () => {
    const all = [told({}), told({ kmsKeyArn: moved }), ...refusals.map((refusal) => told({ refusal }))];
    for (const { diagnosis } of all) {
      const text = diagnosis.whatToDo.join(" ");
      expect(text).toContain("nothing is lost");
      expect(text).toContain(`point the alias back at ${keyArn}`);
      expect(`${diagnosis.summary} ${text}`).not.toMatch(/undefined|\[object/);
    }
  });
});
