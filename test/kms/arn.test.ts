import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isKmsKeyArn,
  kmsAliasArnProblem,
  parseKmsArn,
  regionOf,
  replicaArn,
  sameAccountAndRegion,
} from "../../src/kms/arn.js";

const account = "111122223333";
const alias = (rest: Partial<{ partition: string; region: string; account: string; name: string }> = {}) => {
  const { partition = "aws", region = "eu-west-1", account: id = account, name = "recordings" } = rest;
  return `arn:${partition}:kms:${region}:${id}:alias/${name}`;
};
const key = (region = "eu-west-1", id = "1234abcd-12ab-34cd-56ef-1234567890ab", of = account) =>
  `arn:aws:kms:${region}:${of}:key/${id}`;
const mrk = `mrk-${"0123456789abcdef".repeat(2)}`;

describe("alias ARNs", () => {
  it.each([
    alias(),
    alias({ name: "a/b_c-D9" }),
    alias({ name: "x".repeat(250) }),
    alias({ name: "awsome" }),
    alias({ region: "ap-southeast-4" }),
    alias({ partition: "aws-us-gov", region: "us-gov-west-1" }),
    alias({ partition: "aws-cn", region: "cn-northwest-1" }),
  ])("good: %s", (arn) => {
    expect(kmsAliasArnProblem(arn)).toBeUndefined();
    const [, partition, , region, accountId, resource] = arn.split(":");
    expect(parseKmsArn(arn)).toEqual({
      partition,
      region,
      accountId,
      resource: { type: "alias", name: resource!.slice("alias/".length) },
      multiRegion: false,
    });
    expect(regionOf(arn)).toBe(region);
    expect(isKmsKeyArn(arn)).toBe(false);
  });

  it.each([
    ["", /must be an alias ARN/],
    ["alias/recordings", /must be an alias ARN/],
    [` ${alias()}`, /must be an alias ARN/],
    [`${alias()}\n`, /alias name has only/],
    [`${alias()}:more`, /must be an alias ARN/],
    [alias({ partition: "aws-iso" }), /partition must be/],
    [alias({ partition: "" }), /partition must be/],
    [alias().replace(":kms:", ":s3:"), /service must be kms/],
    [alias({ region: "" }), /Region must be one/],
    [alias({ region: "EU-WEST-1" }), /Region must be one/],
    [alias({ region: "us-gov-west-1" }), /us-gov-west-1 is in aws-us-gov, not in aws$/],
    [alias({ region: "cn-north-1" }), /cn-north-1 is in aws-cn/],
    [alias({ partition: "aws-us-gov" }), /eu-west-1 is in aws, not in aws-us-gov/],
    [alias({ partition: "aws-cn", region: "us-gov-east-1" }), /is in aws-us-gov, not in aws-cn/],
    [alias({ account: "11112222333" }), /12 digits/],
    [alias({ account: "1111222233334" }), /12 digits/],
    [alias({ account: "11112222333x" }), /12 digits/],
    [key(), /not a key ARN/],
    [alias().replace("alias/", "grant/"), /alias name has only/],
    [alias({ name: "" }), /alias name has only/],
    [alias({ name: "recordings 1" }), /alias name has only/],
    [alias({ name: "aufnahmen-ü" }), /alias name has only/],
    [alias({ name: "aws/recordings" }), /reserved/],
    [alias({ name: "x".repeat(251) }), /at most 256 characters/],
  ])("bad: %j", (arn, problem) => {
    expect(kmsAliasArnProblem(arn)).toMatch(problem);
  });

  it("what is found good can be parsed, and the other way round, but for the reserved names", () => {
    const part = (...usual: string[]) =>
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...usual) },
        { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
      );
    const arns = fc
      .tuple(
        part("arn"),
        part("aws", "aws-cn", "aws-us-gov"),
        part("kms"),
        part("us-east-1", "cn-north-1", "us-gov-west-1"),
        part(account),
        part("alias/x", "alias/aws/x", "key/x"),
      )
      .map((parts) => parts.join(":"));
    fc.assert(
      fc.property(arns, (arn) => {
        const isAlias = parseKmsArn(arn)?.resource.type === "alias";
        expect(kmsAliasArnProblem(arn) === undefined).toBe(isAlias && !arn.includes(":alias/aws/"));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("key ARNs", () => {
  it.each([
    [key(), false],
    [key("eu-west-1", mrk), true],
    [key("us-gov-west-1").replace("arn:aws:", "arn:aws-us-gov:"), false],
  ])("good: %s", (arn, multiRegion) => {
    expect(isKmsKeyArn(arn)).toBe(true);
    expect(parseKmsArn(arn)).toMatchObject({ multiRegion, resource: { type: "key" } });
  });

  it.each([
    key("eu-west-1", "a/b"),
    key("us-gov-west-1"),
    key("eu-west-1", ""),
    `${key()}?`,
    "1234abcd-12ab-34cd-56ef-1234567890ab",
  ])("bad: %s", (arn) => {
    expect(parseKmsArn(arn)).toBeUndefined();
    expect(regionOf(arn)).toBeUndefined();
  });
});

it.each([
  ["the same", key(), true],
  ["another Region", key("us-east-1"), false],
  ["another Region, multi-Region key", key("us-east-1", mrk), true],
  ["another account", key("eu-west-1", undefined, "444455556666"), false],
  ["another account, multi-Region key", key("eu-west-1", mrk, "444455556666"), false],
  ["another partition", key("cn-north-1", mrk).replace("arn:aws:", "arn:aws-cn:"), false],
  ["no ARN", "1234abcd", false],
])("a key that could be behind an alias: %s", (_, keyArn, expected) => {
  expect(sameAccountAndRegion(keyArn, alias())).toBe(expected);
});

it.each([
  [key("eu-west-1", mrk), "us-east-1", key("us-east-1", mrk)],
  [key("eu-west-1", mrk), "eu-west-1", key("eu-west-1", mrk)],
  [key("eu-west-1", mrk), "us-gov-west-1", undefined],
  [key(), "us-east-1", undefined],
  [alias({ name: "mrk-x" }), "us-east-1", undefined],
])("the replica of %s in %s", (arn, region, replica) => {
  expect(replicaArn(arn, region)).toBe(replica);
});
