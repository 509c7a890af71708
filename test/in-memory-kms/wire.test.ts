import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InMemoryKms, TestClock, type KmsHttpRequest } from "../../src/testing/index.js";
import { signedHeaders } from "./transports.js";
import { day, home, makeWorld } from "./world.js";

const caller = { region: home, accessKeyId: "AKIAANYONE" };
const signed = (operation: string, body: string) =>
  signedHeaders("127.0.0.1", `TrentService.${operation}`, body, caller);

async function ask(kms: InMemoryKms, request: Partial<KmsHttpRequest>) {
  const answer = await kms.handle({ method: "POST", headers: {}, ...request });
  if (answer.type !== "response") throw new Error(answer.type);
  const text = new TextDecoder().decode(answer.response.body);
  return {
    status: answer.response.statusCode,
    headers: answer.response.headers,
    json: (text === "" ? undefined : JSON.parse(text)) as Record<string, unknown> | undefined,
  };
}

describe("a malformed request", () => {
  const good = signed("ListKeys", "{}");
  const { authorization = "" } = good;
  const refusals: [name: string, request: Partial<KmsHttpRequest>, error: string, message?: string][] = [
    ["another method", { method: "GET", headers: good }, "UnknownOperationException"],
    [
      "another target",
      { headers: { ...good, "x-amz-target": "DynamoDB_20120810.ListTables" } },
      "UnknownOperationException",
    ],
    ["an operation that is none", { headers: signed("FlyAway", "{}") }, "UnknownOperationException"],
    [
      "no signature",
      { headers: { ...good, authorization: undefined } },
      "MissingAuthenticationTokenException",
      "Missing Authentication Token",
    ],
    [
      "a signature without its parts",
      { headers: { ...good, authorization: "AWS4-HMAC-SHA256 Credential=x" } },
      "IncompleteSignatureException",
    ],
    [
      "a signature for another service",
      { headers: { ...good, authorization: authorization.replace("/kms/", "/s3/") } },
      "InvalidSignatureException",
    ],
    ["no JSON", { headers: good, body: "{" }, "SerializationException"],
    ["JSON that is no object", { headers: good, body: "[]" }, "SerializationException"],
    ["a member of another type", { headers: good, body: '{"Limit":"ten"}' }, "SerializationException"],
    [
      "base64 that is none",
      { headers: signed("Decrypt", ""), body: '{"CiphertextBlob":"*"}' },
      "SerializationException",
    ],
    [
      "a context with a number",
      { headers: signed("Decrypt", ""), body: '{"CiphertextBlob":"AA==","EncryptionContext":{"a":1}}' },
      "SerializationException",
    ],
    [
      "a member that is missing",
      { headers: signed("DescribeKey", "{}"), body: "{}" },
      "ValidationException",
      "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
    ],
    [
      "two mistakes",
      { headers: signed("ListKeys", ""), body: '{"Limit":0,"Marker":""}' },
      "ValidationException",
      "2 validation errors detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '' at 'marker' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
  ];
  it.each(refusals)("is refused: %s", async (_name, request, error, message) => {
    const { status, json } = await ask(new InMemoryKms(), request);
    expect([status, json]).toEqual([
      400,
      {
        __type: error,
        ...(message === undefined
          ? json?.["message"] === undefined
            ? {}
            : { message: expect.any(String) as string }
          : { message }),
      },
    ]);
  });

  it("may have header names in any case, null members and unknown members", async () => {
    const headers = Object.fromEntries(Object.entries(good).map(([name, value]) => [name.toUpperCase(), [value]]));
    expect(await ask(new InMemoryKms(), { headers, body: '{"Limit":null,"New":true}' })).toMatchObject({
      status: 200,
      json: { Keys: [], Truncated: false },
    });
  });

  it("takes any signature, of whatever length", async () => {
    const kms = new InMemoryKms();
    const headers = signed("ListKeys", "{}");
    const authorization = headers["authorization"]?.replace(/Signature=\w+/, "Signature=00") ?? "";
    expect(authorization).toMatch(/Signature=00$/);
    expect(await ask(kms, { headers: { ...headers, authorization }, body: "{}" })).toMatchObject({ status: 200 });
  });

  it("gets an answer, whatever its bytes", async () => {
    const kms = new InMemoryKms();
    const operations = fc.constantFrom(
      "Encrypt",
      "Decrypt",
      "CreateKey",
      "CreateGrant",
      "TagResource",
      "ListKeys",
      "PutKeyPolicy",
    );
    await fc.assert(
      fc.asyncProperty(
        operations,
        fc.oneof(
          fc.string(),
          fc.json(),
          fc
            .dictionary(
              fc.constantFrom("KeyId", "Plaintext", "CiphertextBlob", "Policy", "Tags", "Constraints", "Limit"),
              fc.jsonValue(),
            )
            .map((value) => JSON.stringify(value)),
        ),
        async (operation, body) => {
          const { status, headers } = await ask(kms, { headers: signed(operation, body), body });
          expect([200, 400]).toContain(status);
          expect(headers["x-amzn-requestid"]).toMatch(/^[0-9a-f-]{36}$/);
        },
      ),
    );
  });
});

it("an answer has an id, type and length, and an empty body without output", async () => {
  const { kms, key, callers } = makeWorld();
  const body = JSON.stringify({ KeyId: key });
  const { status, headers, json } = await ask(kms, {
    headers: signedHeaders("h", "TrentService.DisableKey", body, { region: home, accessKeyId: callers.alice }),
    body,
  });
  expect([status, json]).toEqual([200, undefined]);
  expect(headers).toMatchObject({ "content-type": "application/x-amz-json-1.1", "content-length": "0" });
});

it("missing credentials are a missing token over HTTP", async () => {
  const kms = new InMemoryKms();
  kms.faults.missingCredentials();
  const answer = await kms.handle({ method: "POST", headers: signed("ListKeys", "{}"), body: "{}" });
  expect(answer).toMatchObject({ type: "no-credentials", response: { statusCode: 400 } });
});

describe("key states", () => {
  type State = "Enabled" | "Disabled" | "PendingDeletion" | "gone";
  const moves = ["enable", "disable", "schedule", "cancel", "wait"] as const;
  const next: Record<State, Partial<Record<(typeof moves)[number], State>>> = {
    Enabled: { enable: "Enabled", disable: "Disabled", schedule: "PendingDeletion", wait: "Enabled" },
    Disabled: { enable: "Enabled", disable: "Disabled", schedule: "PendingDeletion", wait: "Disabled" },
    PendingDeletion: { cancel: "Disabled", wait: "gone" },
    gone: { wait: "gone" },
  };

  it("end where AWS's table says after any sequence of changes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...moves), { maxLength: 12 }), async (sequence) => {
        const clock = new TestClock();
        const kms = new InMemoryKms({ clock });
        const key = kms.createKey();
        const act = {
          enable: () => kms.enableKey(key),
          disable: () => kms.disableKey(key),
          schedule: () => kms.scheduleKeyDeletion(key, 7),
          cancel: () => kms.cancelKeyDeletion(key),
          wait: () => clock.advance(7 * day),
        };
        let state: State = "Enabled";
        for (const move of sequence) {
          const then: State | undefined = next[state][move];
          if (then === undefined) expect(act[move]).toThrow();
          else act[move]();
          state = then ?? state;
        }
        const body = JSON.stringify({ KeyId: key });
        const { json } = await ask(kms, { headers: signed("DescribeKey", body), body });
        expect(json).toMatchObject(
          state === "gone"
            ? { __type: "NotFoundException" }
            : { KeyMetadata: { KeyState: state, Enabled: state === "Enabled" } },
        );
      }),
    );
  });
});
