import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";

const account = "111122223333";
const other = "444455556666";
const arn = (resource: string, region = "eu-west-1", accountId = account, partition = "aws") =>
  `arn:${partition}:kms:${region}:${accountId}:${resource}`;
const key = "key/1234abcd-12ab-34cd-56ef-1234567890ab";
const key2 = "key/9234abcd-12ab-34cd-56ef-1234567890ab";
const mrk = `key/mrk-${"0".repeat(32)}`;
const mrk2 = `key/mrk-${"1".repeat(32)}`;
const alias = "alias/recordings";
const alias2 = "alias/other";
const us = "us-east-1";

const asked = {
  "the key": arn(key),
  "the key elsewhere": arn(key, us),
  "another key": arn(key2),
  "the multi-Region key": arn(mrk),
  "its replica": arn(mrk, us),
  "another multi-Region key elsewhere": arn(mrk2, us),
  "the alias": arn(alias),
  "the alias elsewhere": arn(alias, us),
  "another alias": arn(alias2),
  "a key of a stranger": arn(key, "eu-west-1", other),
  "a multi-Region key of a stranger": arn(mrk, "eu-west-1", other),
  "the alias of a stranger": arn(alias, "eu-west-1", other),
  "a multi-Region key of another partition": arn(mrk, "cn-north-1", account, "aws-cn"),
  "the alias of another partition": arn(alias, "cn-north-1", account, "aws-cn"),
  "a bare key id": "1234abcd-12ab-34cd-56ef-1234567890ab",
  nothing: "",
};
type Asked = keyof typeof asked;
const everything = Object.keys(asked) as Asked[];
const coveredBy = (entries: readonly string[]) => {
  const anchor = new TrustAnchor(entries);
  return everything.filter((what) => anchor.covers(asked[what]));
};

const own = everything.filter((what) => !/stranger|bare|nothing/.test(what));
const aliasesHere: Asked[] = ["the alias", "another alias"];
const aliasesEverywhere: Asked[] = ["the alias", "the alias elsewhere", "another alias"];
const multiRegion: Asked[] = ["the multi-Region key", "its replica"];
const behindAlias: Asked[] = ["the key", "another key", ...multiRegion, "another multi-Region key elsewhere"];

describe("trusted KMS keys", () => {
  it.each<[what: string, entries: string[], covered: Asked[]]>([
    ["an account id covers all of the account", [account], own],
    ["a key covers itself, and names of its Region", [arn(key)], ["the key", ...aliasesHere]],
    ["a multi-Region key covers its replicas, and names anywhere", [arn(mrk)], [...multiRegion, ...aliasesEverywhere]],
    ["a replica covers its primary", [arn(mrk, us)], [...multiRegion, ...aliasesEverywhere]],
    ["an alias covers itself and what it could point at", [arn(alias)], [...behindAlias, "the alias"]],
    ["a key beside an alias pins it", [arn(alias), arn(key)], ["the key", ...aliasesHere]],
    ["the order says nothing", [arn(key), arn(alias)], ["the key", ...aliasesHere]],
    [
      "two keys beside an alias pin it to both",
      [arn(key), arn(alias), arn(key2)],
      ["the key", "another key", ...aliasesHere],
    ],
    ["a key pins every alias that could point at it", [arn(alias), arn(alias2), arn(key)], ["the key", ...aliasesHere]],
    ["a multi-Region key pins an alias", [arn(alias), arn(mrk)], [...multiRegion, ...aliasesEverywhere]],
    ["so does its replica in another Region", [arn(alias), arn(mrk, us)], [...multiRegion, ...aliasesEverywhere]],
    [
      "a key of another Region pins nothing",
      [arn(alias), arn(key, us)],
      ["the key", "the key elsewhere", "another key", ...multiRegion, "another multi-Region key elsewhere"].concat(
        "the alias",
        "the alias elsewhere",
      ) as Asked[],
    ],
    [
      "a key of a stranger pins nothing",
      [arn(alias), arn(key, "eu-west-1", other)],
      [...behindAlias, "the alias", "a key of a stranger", "the alias of a stranger"],
    ],
    [
      "a multi-Region key of another partition pins nothing",
      [arn(alias), arn(mrk, "cn-north-1", account, "aws-cn")],
      [...behindAlias, "the alias", "a multi-Region key of another partition", "the alias of another partition"],
    ],
    ["an account id is not narrowed by a key beside it", [account, arn(alias), arn(key)], own],
    [
      "several entries cover what each does",
      [arn(key), arn(alias, us, other)],
      ["the key", ...aliasesHere, "a multi-Region key of a stranger"],
    ],
    ["no entries cover nothing", [], []],
  ])("%s", (_, entries, covered) => {
    expect(coveredBy(entries)).toEqual(everything.filter((what) => covered.includes(what)));
  });

  it.each([[[account]], [[arn(alias)]], [[arn(key)]], [[arn(mrk), arn(alias)]]])(
    "cover no alias as a key: %j",
    (entries) => {
      const anchor = new TrustAnchor(entries);
      const keys = everything.filter((what) => anchor.coversKey(asked[what]));
      expect(keys).toEqual(coveredBy(entries).filter((what) => asked[what].includes(":key/")));
      expect(keys).not.toEqual([]);
    },
  );
});

const parts = {
  region: fc.constantFrom("eu-west-1", us, "cn-north-1"),
  accountId: fc.constantFrom(account, other),
};
const arnOf = (resource: fc.Arbitrary<string>) =>
  fc
    .tuple(resource, parts.region, parts.accountId)
    .map(([name, region, accountId]) => arn(name, region, accountId, region.startsWith("cn-") ? "aws-cn" : "aws"));
const keyArns = arnOf(fc.constantFrom(key, key2, mrk, mrk2));
const aliasArns = arnOf(fc.constantFrom(alias, alias2));
/** Written anew, so that the rule is not proved by itself. */
const couldPointAt = (aliasArn: string, keyArn: string) => {
  const [, partition, , region, accountId] = aliasArn.split(":");
  const [, keyPartition, , keyRegion, keyAccountId, resource = ""] = keyArn.split(":");
  if (partition !== keyPartition || accountId !== keyAccountId) return false;
  return region === keyRegion || resource.startsWith("key/mrk-");
};

describe("a key ARN beside an alias", () => {
  it("covers no key that the alias alone does not cover, and pins the alias to the key", () => {
    fc.assert(
      fc.property(aliasArns, keyArns, keyArns, (aliasArn, keyArn, askedArn) => {
        fc.pre(couldPointAt(aliasArn, keyArn));
        const both = new TrustAnchor([aliasArn, keyArn]).covers(askedArn);
        expect(both).toBe(new TrustAnchor([keyArn]).covers(askedArn));
        if (both) expect(new TrustAnchor([aliasArn]).covers(askedArn)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("covers what both cover each on its own where the alias can't point at it", () => {
    fc.assert(
      fc.property(aliasArns, keyArns, keyArns, (aliasArn, keyArn, askedArn) => {
        fc.pre(!couldPointAt(aliasArn, keyArn));
        const alone = [aliasArn, keyArn].some((entry) => new TrustAnchor([entry]).covers(askedArn));
        expect(new TrustAnchor([aliasArn, keyArn]).covers(askedArn)).toBe(alone);
      }),
      { numRuns: 1_000 },
    );
  });

  it("covers, as names, the aliases that could point at it and those that are listed", () => {
    fc.assert(
      fc.property(aliasArns, keyArns, aliasArns, (aliasArn, keyArn, askedArn) => {
        const named = askedArn === aliasArn || couldPointAt(askedArn, keyArn);
        expect(new TrustAnchor([aliasArn, keyArn]).covers(askedArn)).toBe(named);
      }),
      { numRuns: 1_000 },
    );
  });

  it("covers no more keys the more aliases are listed beside it", () => {
    fc.assert(
      fc.property(fc.array(aliasArns), fc.array(keyArns), keyArns, (aliases, keys, askedArn) => {
        const pinned = new TrustAnchor([...aliases, ...keys]).covers(askedArn);
        const apart = [...aliases, ...keys].some((entry) => new TrustAnchor([entry]).covers(askedArn));
        expect(pinned && !apart).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("an entry that is none of the three", () => {
  it.each(["", "1111", "alias/recordings", arn("alias/x", "eu-west-1", "1"), arn(key, "us-gov-west-1"), "*"])(
    "is named by its index: %j",
    (bad) => {
      const error = expect.objectContaining({ field: "embeddedKeys.1", code: "ERR_INVALID_INPUT" }) as unknown;
      expect(() => new TrustAnchor([account, bad], "embeddedKeys")).toThrow(InvalidInputError);
      expect(() => new TrustAnchor([account, bad], "embeddedKeys")).toThrow(error);
    },
  );
});
