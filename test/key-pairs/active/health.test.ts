import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../../src/index.js";
import { KeyHealth } from "../../../src/key-pairs/active/health.js";
import type { BirthRecord } from "../../../src/format/birth-record.js";
import { nextRotation } from "../../../src/key-pairs/active/schedule.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "../../../src/kms/kms-error.js";
import { TestClock } from "../../../src/in-memory-kms/test-clock.js";
import { day } from "../world.js";

const start = Date.UTC(2026, 0, 1);
const failure = (kind: KmsFailureKind = "unreachable", message = "no") =>
  kmsError(kind, { operation: "Decrypt", message });
const storeAway = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "the store is away");
const birth = {
  organizationId: "org-1",
  spec: "X25519",
  createdAt: start,
  scheduleAnchor: start,
  periodicKeyChange: "daily",
} as BirthRecord;

function healthOf() {
  const clock = new TestClock(start);
  const events: [string, object][] = [];
  const health = new KeyHealth(clock, (name, event) => void events.push([name, event]));
  return { clock, events, health, told: () => events.splice(0) };
}

describe("trouble", () => {
  it("begins with the first failure of a task, shows the last, and ends with a success", () => {
    const { clock, health, told } = healthOf();
    expect(health.trouble).toBeUndefined();
    const [first, last] = [failure("unreachable"), failure("throttled")];
    health.failed("confirm", first);
    clock.advance(1_000);
    health.failed("confirm", last);
    expect(health.trouble).toEqual({ since: start, at: start + 1_000, error: last, task: "confirm" });
    expect(told()).toEqual([["lastKnownKeyInUse", { since: start, days: 0, error: first }]]);
    health.succeeded("confirm");
    expect(health.trouble).toBeUndefined();
    expect(told()).toEqual([["lastKnownKeyEnded", { since: start }]]);
    clock.advance(1_000);
    health.failed("confirm", first);
    expect(health.trouble?.since).toBe(start + 2_000);
    expect(told()).toEqual([["lastKnownKeyInUse", { since: start + 2_000, days: 0, error: first }]]);
  });

  it("of several tasks is over with the last of them; the one that began first is shown", () => {
    const { clock, health, told } = healthOf();
    const tasks = ["rotate", "confirm", "read-store"] as const;
    for (const task of tasks) {
      health.failed(task, failure());
      clock.advance(1_000);
    }
    expect(health.trouble?.task).toBe("rotate");
    told();
    health.succeeded("rotate");
    expect(health.trouble).toMatchObject({ task: "confirm", since: start + 1_000 });
    health.failed("rotate", failure());
    expect(health.trouble?.task).toBe("confirm");
    health.succeeded("rotate", "confirm");
    expect(told()).toEqual([]);
    health.succeeded("read-store");
    expect(told()).toEqual([["lastKnownKeyEnded", { since: start }]]);
  });

  it("that was none ends without a word", () => {
    const { health, told } = healthOf();
    health.succeeded("confirm", "rotate");
    health.remind();
    expect(told()).toEqual([]);
  });

  it("ends for all that concerns KMS once KMS answers about the pair, but for a due rotation", () => {
    const { clock, health } = healthOf();
    const due = nextRotation(birth)!;
    const outstanding = () => {
      for (const task of ["read-store", "confirm", "unwrap", "rotate"] as const) health.failed(task, failure());
      health.answered(birth);
      const left: string[] = [];
      for (let trouble = health.trouble; trouble; trouble = health.trouble) {
        left.push(trouble.task);
        health.succeeded(trouble.task);
      }
      return left.sort();
    };
    clock.set(due - 1);
    expect(outstanding()).toEqual(["read-store"]);
    clock.set(due);
    expect(outstanding()).toEqual(["read-store", "rotate"]);
  });
});

describe("a key at risk", () => {
  const fatal: readonly KmsFailureKind[] = ["key-disabled", "key-pending-deletion", "key-not-found"];
  it.each(kmsFailureKinds)("%s", (kind) => {
    const { health, told } = healthOf();
    const error = failure(kind);
    health.failed("confirm", error);
    expect(health.keyAtRisk).toBe(fatal.includes(kind));
    expect(told()).toEqual([
      ["lastKnownKeyInUse", { since: start, days: 0, error }],
      ...(fatal.includes(kind) ? [["keyAtRisk", { since: start, error }]] : []),
    ]);
  });

  it("is told of once, when it begins, and again when it begins again", () => {
    const { clock, health, told } = healthOf();
    const names = () => told().map(([name]) => name);
    health.failed("confirm", failure("throttled"));
    health.failed("confirm", failure("key-disabled"));
    clock.advance(1_000);
    health.failed("unwrap", failure("key-pending-deletion"));
    expect(names()).toEqual(["lastKnownKeyInUse", "keyAtRisk"]);
    health.succeeded("confirm");
    expect(health.keyAtRisk).toBe(true);
    health.failed("unwrap", failure("throttled"));
    expect(health.keyAtRisk).toBe(false);
    health.failed("unwrap", failure("key-disabled"));
    expect(names()).toEqual(["keyAtRisk"]);
  });

  it("is none because the store is away", () => {
    const { health } = healthOf();
    health.failed("read-store", storeAway);
    expect([health.keyAtRisk, health.trouble?.error]).toEqual([false, storeAway]);
  });
});

describe("the last error of KMS", () => {
  it("stays after KMS is well again, and is not the store's", () => {
    const { clock, health } = healthOf();
    expect(health.lastKmsError).toBeUndefined();
    health.failed("read-store", storeAway);
    expect(health.lastKmsError).toBeUndefined();
    const error = failure();
    health.failed("confirm", error);
    clock.advance(5);
    health.failed("read-store", storeAway);
    health.succeeded("confirm", "read-store");
    expect(health.lastKmsError).toEqual({ at: start, error });
  });
});

describe("reminders", () => {
  it("come after 1, 7 and 30 days, each once, with the trouble that began first", () => {
    const { clock, health, told } = healthOf();
    const error = failure();
    health.failed("confirm", error);
    told();
    const at = (days: number, ms = 0) => {
      clock.set(start + days * day + ms);
      health.remind();
      return told();
    };
    const reminder = (days: number) => [["lastKnownKeyInUse", { since: start, days, error }]];
    expect(at(1, -1)).toEqual([]);
    expect(at(1)).toEqual(reminder(1));
    expect(at(1, 1)).toEqual([]);
    expect(at(7, -1)).toEqual([]);
    expect(at(7)).toEqual(reminder(7));
    expect(at(30, -1)).toEqual([]);
    expect(at(30)).toEqual(reminder(30));
    expect(at(300)).toEqual([]);
  });

  it("that were missed come together, and begin anew with new trouble", () => {
    const { clock, health, told } = healthOf();
    const days = () =>
      told().map(([name, event]) => (name === "lastKnownKeyInUse" ? (event as { days: number }).days : name));
    health.failed("confirm", failure());
    clock.advance(8 * day);
    health.remind();
    expect(days()).toEqual([0, 1, 7]);
    health.succeeded("confirm");
    health.remind();
    expect(days()).toEqual(["lastKnownKeyEnded"]);
    health.failed("confirm", failure());
    clock.advance(day);
    health.remind();
    expect(days()).toEqual([0, 1]);
  });
});
