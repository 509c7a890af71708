import { describe, expect, it } from "vitest";
import { DisownedClaims, disownedClaimsOf } from "../../src/key-pairs/disowned-claims.js";
import { untrusted } from "../../src/key-pairs/failures.js";
import { world } from "./world.js";

describe("disowned claims", () => {
  it("are remembered by name, each with the reason", () => {
    const claims = new DisownedClaims();
    const [one, other] = [untrusted("one"), untrusted("other")];
    claims.add("a", one);
    claims.add("b", other);
    expect({ a: claims.get("a"), b: claims.get("b"), c: claims.get("c") }).toEqual({ a: one, b: other, c: undefined });
  });

  it("are ten thousand at most; the one disowned first is forgotten first", () => {
    const claims = new DisownedClaims();
    const error = untrusted("no");
    for (let index = 0; index < 10_000; index += 1) claims.add(`claim-${index}`, error);
    expect(claims.get("claim-0")).toBe(error);
    claims.add("one more", error);
    const known = ["claim-0", "claim-1", "claim-9999", "one more"].map((name) => claims.get(name) === error);
    expect(known).toEqual([false, true, true, true]);
  });

  it("are shared by all key stores of one provider, and by no others", () => {
    const { provider } = world();
    disownedClaimsOf(provider).add("a", untrusted("no"));
    expect(disownedClaimsOf(provider).get("a")).toBeDefined();
    expect(disownedClaimsOf(world().provider).get("a")).toBeUndefined();
  });
});
