import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { faultKinds } from "../../src/testing/index.js";
import { operations } from "../../src/in-memory-kms/operations/index.js";
import * as sdk from "@aws-sdk/client-kms";

const page = readFileSync("docs/in-memory-kms.md", "utf8");
const section = (title: string) => page.split(/^## /m).find((text) => text.startsWith(title)) ?? "";
const firstCells = (text: string) => [...text.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = ""]) => cell).slice(1);

it("the conformance table has a row for each operation, and for nothing else", () => {
  expect(firstCells(section("Conformance")).sort()).toEqual([...operations.keys()].sort());
});

it("every operation of the SDK is modelled", () => {
  const all = Object.keys(sdk).flatMap((name) => /^([A-Z]\w+)Command$/.exec(name)?.[1] ?? []);
  expect([...operations.keys()].sort()).toEqual(all.sort());
});

it("every kind of fault is in the table", () => {
  const named = firstCells(section("Faults")).flatMap((cell) => cell.match(/[\w-]+/g) ?? []);
  expect(named.sort()).toEqual([...faultKinds].sort());
});
