import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { faultKinds } from "../../src/testing/index.js";
import { operations, operationsNotModelled } from "../../src/in-memory-kms/operations/index.js";
import * as sdk from "@aws-sdk/client-kms";

const page = readFileSync("docs/in-memory-kms.md", "utf8");
const section = (title: string) => page.split(/^## /m).find((text) => text.startsWith(title)) ?? "";
const firstCells = (text: string) => [...text.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = ""]) => cell).slice(1);

it("the conformance table has a row for each operation, and for nothing else", () => {
  expect(firstCells(section("Conformance")).sort()).toEqual([...operations.keys()].sort());
});

it("the page names every operation that is refused as unknown", () => {
  const named = /`UnknownOperationException` and a text that says so: ([^.]+)\./.exec(section("Conformance"))?.[1];
  expect(named?.split(/,\s+/)).toEqual(operationsNotModelled);
});

it("every operation of the SDK is either modelled or refused", () => {
  const all = Object.keys(sdk).flatMap((name) => /^([A-Z]\w+)Command$/.exec(name)?.[1] ?? []);
  expect([...operations.keys(), ...operationsNotModelled].sort()).toEqual(all.sort());
});

it("every kind of fault is in the table", () => {
  const named = firstCells(section("Faults")).flatMap((cell) => cell.match(/[\w-]+/g) ?? []);
  expect(named.sort()).toEqual([...faultKinds].sort());
});
