import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { keyPolicyFindingCodes, permissionNeeded, recordingKeyStatements } from "../../src/index.js";
import { severityOf } from "../../src/key-policy/findings.js";

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

/** First cells of the table rows under a heading. */
function tableUnder(heading: string, markdown: string): string[] {
  const section = markdown.split(/^## /m).find((text) => text.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? "");
}

describe("docs/errors.md", () => {
  const documentation = read("docs/errors.md");

  test("has one row for each error code, and no other", () => {
    const union = /export type ErrorCode =([^;]+);/.exec(read("src/errors.ts"))?.[1] ?? "";
    const codes = [...union.matchAll(/"(ERR_[A-Z_]+)"/g)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(0);
    expect(tableUnder("Codes", documentation).sort()).toEqual(codes.sort());
  });
});

test("docs/key-policy.md has one row for each finding, with its severity", () => {
  const rows = [...read("docs/key-policy.md").matchAll(/^\| `([A-Z_]+)` \| (error|warning) \|/gm)].map(
    ([, code, severity]) => [code, severity],
  );
  expect(rows).toEqual(keyPolicyFindingCodes.map((code) => [code, severityOf(code)]));
});

test("README shows the statements that the library writes", () => {
  const json = /```json\n([^`]*)```/.exec(read("README.md"))?.[1] ?? "";
  expect(JSON.parse(json)).toEqual(
    recordingKeyStatements({ serviceAccountId: "444455556666", organizationIds: ["org-4711"] }),
  );
});

test("README shows which permission each method needs", () => {
  const rows = [...read("README.md").matchAll(/^\| `(\w+)` \| `(recording:[\w:]+)` \|$/gm)].map(
    ([, method, permission]) => [method, permission],
  );
  expect(Object.fromEntries(rows)).toEqual(permissionNeeded);
});

describe.each(["package-lock.json", "bench/package-lock.json"])("%s", (file) => {
  const lock = JSON.parse(read(file)) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };

  test("names no download host, and an integrity for every package", () => {
    for (const [place, { resolved, integrity }] of Object.entries(lock.packages)) {
      if (place === "") continue;
      expect.soft(resolved, place).toBeUndefined();
      expect.soft(integrity, place).toMatch(/^sha512-/);
    }
  });
});

test("each rule, attack and testable limit of the threat model names tests that are there", () => {
  const [, rules = "", attacks = "", limits = ""] = read("docs/threat-model.md").split(
    /^## (?:How trust|Attacks|What this does not)/m,
  );
  const cells = [...attacks.matchAll(/^\| (?!somebody).*\| ([^|]*) \|$/gm)];
  const notes = [...`${rules}${limits}`.matchAll(/^ +<br>\*(.*)\*$/gm)];
  expect({ rules: rules.match(/^\d\. /gm)?.length, attacks: cells.length }).toEqual({
    rules: rules.match(/<br>/g)?.length,
    attacks: attacks.match(/^\| (?!somebody)/gm)?.length,
  });
  for (const [, names = ""] of [...cells, ...notes]) {
    for (const name of names.split(", "))
      expect.soft(existsSync(new URL(`../${name}.test.ts`, import.meta.url)), name).toBe(true);
  }
});

test("links between the documents lead somewhere", () => {
  const documents = [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ...readdirSync(new URL("../../docs", import.meta.url)).map((name) => `docs/${name}`),
  ];
  for (const document of documents.filter((name) => name.endsWith(".md"))) {
    for (const [, link = ""] of read(document).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      expect
        .soft(existsSync(new URL(link, new URL(`../../${document}`, import.meta.url))), `${document} links to ${link}`)
        .toBe(true);
    }
  }
});
