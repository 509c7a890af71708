import { describe, expect, it } from "vitest";
import { postgresFailure } from "../../../src/stores/postgres/failures.js";

const withCode = (code: string) => Object.assign(new Error("text of the driver"), { code });

describe("postgresFailure", () => {
  it.each([
    ["08006", "unreachable"],
    ["08P01", "service-error"],
    ["0A000", "unsupported"],
    ["22P02", "unexpected-answer"],
    ["23514", "unexpected-answer"],
    ["25006", "read-only"],
    ["25P04", "timeout"],
    ["28P01", "credentials"],
    ["28000", "credentials"],
    ["3D000", "not-set-up"],
    ["3F000", "not-set-up"],
    ["40001", "throttled"],
    ["40P01", "throttled"],
    ["42501", "access-denied"],
    ["42601", "unsupported"],
    ["42703", "not-set-up"],
    ["42883", "unsupported"],
    ["42P01", "not-set-up"],
    ["42P10", "not-set-up"],
    ["53100", "full"],
    ["53200", "service-error"],
    ["53300", "throttled"],
    ["55P03", "timeout"],
    ["57014", "timeout"],
    ["57P01", "service-error"],
    ["57P02", "service-error"],
    ["57P03", "service-error"],
    ["57P04", "not-set-up"],
    ["58030", "service-error"],
    ["XX000", "service-error"],
    ["XX001", "service-error"],
    ["ECONNREFUSED", "unreachable"],
    ["ENOTFOUND", "unreachable"],
    ["ETIMEDOUT", "timeout"],
    ["EMFILE", "throttled"],
  ])("knows %s as %s", (code, kind) => {
    expect(postgresFailure(withCode(code))).toEqual({ kind, serviceErrorName: code });
  });

  it.each([
    ["timeout exceeded when trying to connect", "timeout"],
    ["Connection terminated due to connection timeout", "timeout"],
    ["Query read timeout", "timeout"],
    ["Connection terminated unexpectedly", "unreachable"],
    ["Client has encountered a connection error and is not queryable", "unreachable"],
    ["The server does not support SSL connections", "unreachable"],
    ["SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string", "credentials"],
  ])("knows pg's text %j as %s, and keeps none of it", (text, kind) => {
    expect(postgresFailure(new Error(text))).toEqual({ kind });
  });

  it("looks into causes and the members of an AggregateError", () => {
    const cause = new TypeError("fetch failed", { cause: withCode("ECONNRESET") });
    expect(postgresFailure(cause)).toEqual({ kind: "unreachable", serviceErrorName: "ECONNRESET" });
    expect(postgresFailure(new AggregateError([new Error("no"), withCode("28P01")]))).toMatchObject({
      kind: "credentials",
    });
  });

  it("takes anything, and repeats no code that it does not know", () => {
    const { proxy, revoke } = Proxy.revocable(new Error(), {});
    revoke();
    const circle = new Error("in a circle");
    circle.cause = circle;
    const strange = [undefined, null, "ECONNREFUSED", 7, () => 7, {}, proxy, circle];
    const codes = ["hunter2", "SECRT", "42", "postgres://user:hunter2@host", "toString", "__proto__"].map(withCode);
    for (const error of [...strange, ...codes]) expect(postgresFailure(error)).toEqual({ kind: "unexpected-answer" });
    expect(postgresFailure(withCode("42999"))).toEqual({ kind: "unexpected-answer", serviceErrorName: "42999" });
  });
});
