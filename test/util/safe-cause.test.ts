import { describe, expect, it } from "vitest";
import { sanitizeCause } from "../../src/util/safe-cause.js";

const shown = (text: string) => sanitizeCause(new Error(text))?.message;

describe("the text of a foreign error", () => {
  it.each([
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab is disabled",
    "getaddrinfo ENOTFOUND kms.eu-central-1.amazonaws.com.internal.example.net",
    "connect to https://kms.eu-central-1.amazonaws.com.internal.example.net:8443/ failed",
  ])("keeps ARNs and hosts: %s", (text) => expect(shown(text)).toBe(text));

  it.each([
    ["a JSON Web Token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5NXgL0n3I9PlFUP0THsR8U"],
    ["a token of lower case", `${"a".repeat(70)}.${"b".repeat(20)}`],
    ["a signed URL", "https://bucket.s3.amazonaws.com/recording?X-Amz-Signature=0123456789abcdef"],
    ["base64", Buffer.alloc(40, 1).toString("base64")],
  ])("loses %s", (_what, secret) =>
    expect(shown(`failed: ${secret} was refused`)).toBe("failed: [removed] was refused"),
  );

  it("is its first line alone", () => expect(shown("refused\nx-amz-security-token: secret")).toBe("refused"));
});
