import { expect, it } from "vitest";
import * as kmsTesting from "../../src/in-memory-kms/index.js";
import * as testing from "../../src/testing/index.js";

it("recording-keystore/testing gives the very names of recording-keystore/kms-testing", () => {
  expect(Object.keys(kmsTesting)).toContain("InMemoryKms");
  expect(testing).toMatchObject(kmsTesting);
  for (const [name, value] of Object.entries(kmsTesting)) expect(testing[name as keyof typeof testing]).toBe(value);
});
