import { describe, expect, test } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";

const account = "111122223333";
const other = "444455556666";
const arn = (resource: string, region = "eu-west-1", accountId = account, partition = "aws") => `arn:${partition}:kms:${region}:${accountId}:${resource}`;
const key = "key/1234abcd-12ab-34cd-56ef-1234567890ab";
const key2 = "key/9234abcd-12ab-34cd-56ef-1234567890ab";
const mrk = `key/mrk-${"0".repeat(32)}`;
const mrk2 = `key/mrk-${"1".repeat(32)}`;
const alias = "alias/recordings";

const asked = {
  "the key": arn(key),
  "the key elsewhere": arn(key, "us-east-1"),
  "another key": arn(key2),
  "the multi-Region key": arn(mrk),
  "its replica": arn(mrk, "us-east-1"),
  "another multi-Region key elsewhere": arn(mrk2, "us-east-1"),
  "the alias": arn(alias),
  "the alias elsewhere": arn(alias, "us-east-1"),
  "another alias": arn("alias/other"),
  "a key of a stranger": arn(key, "eu-west-1", other),
  "a multi-Region key of a stranger": arn(mrk, "eu-west-1", other),
  "the alias of a stranger": arn(alias, "eu-west-1", other),
  "a multi-Region key of another partition": arn(mrk, "cn-north-1", account, "aws-cn"),
  "a bare key id": "1234abcd-12ab-34cd-56ef-1234567890ab",
  nothing: "",
};

const own = Object.keys(asked).filter((what) => !/stranger|bare|nothing/.test(what));

test.each<[string, string[], string[]]>([
  ["an account id covers all of the account", [account], own],
  ["a key covers itself", [arn(key)], ["the key"]],
  ["a multi-Region key covers itself and its replicas", [arn(mrk)], ["the multi-Region key", "its replica"]],
  ["a replica covers its primary", [arn(mrk, "us-east-1")], ["the multi-Region key", "its replica"]],
  [
    "an alias covers itself and what it could point at",
    [arn(alias)],
    ["the key", "another key", "the multi-Region key", "its replica", "another multi-Region key elsewhere", "the alias"],
  ],
  ["several entries cover what each does", [arn(key), arn(alias, "us-east-1", other)], ["the key", "a multi-Region key of a stranger"]],
  ["no entries cover nothing", [], []],
])("%s", (_, entries, covered) => {
  const anchor = new TrustAnchor(entries);
  const found = Object.entries(asked).flatMap(([what, askedArn]) => (anchor.covers(askedArn) ? [what] : []));
  expect(found).toEqual(covered);
});

describe("bad entries", () => {
  test.each(["", "1111", "alias/recordings", arn("alias/x", "eu-west-1", "1"), arn(key, "us-gov-west-1"), "*"])("%j is named by its index", (bad) => {
    expect(() => new TrustAnchor([account, bad], "embeddedKeys")).toThrow(InvalidInputError);
    expect(() => new TrustAnchor([account, bad], "embeddedKeys")).toThrow(expect.objectContaining({ field: "embeddedKeys.1", code: "ERR_INVALID_INPUT" }));
  });
});
