import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { copySecret, secretBuffer, takeSecret, wipe } from "../../src/util/secrets.js";
import { smallArray } from "../support/small-array.js";

describe("a secret", () => {
  it("is taken over into memory of its own, without moving what was given out of V8's heap", () => {
    const given = smallArray(7);
    const secret = takeSecret(given);
    expect(secret).toEqual(Buffer.alloc(32, 7));
    expect([...given]).toEqual(Array(32).fill(0));
    expect(given.moved).toBe(false);
    expect({ offset: secret.byteOffset, memory: secret.buffer.byteLength }).toEqual({ offset: 0, memory: 32 });
  });

  it("is copied without moving what was given, which stays as it is", () => {
    const given = smallArray(7);
    expect(copySecret(given)).toEqual(Buffer.alloc(32, 7));
    expect({ first: given[0], moved: given.moved }).toEqual({ first: 7, moved: false });
  });

  it("is wiped, whatever its class says of fill(), and whichever realm it is of", () => {
    class Odd extends Uint8Array {
      override fill(): this {
        return this;
      }
    }
    const secrets = [
      new Odd(4).map(() => 7),
      runInNewContext("new Uint8Array(4).fill(7)") as Uint8Array,
      secretBuffer(4),
    ];
    wipe(...secrets, undefined);
    for (const secret of secrets) expect([...secret]).toEqual([0, 0, 0, 0]);
  });
});
