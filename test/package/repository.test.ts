import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type * as z from "zod";
import { eventNames } from "../../src/events.js";
import { keyPolicyFindingCodes, severityOf } from "../../src/key-policy/findings.js";
import { recordingKmsGrants } from "../../src/key-policy/kms-grants.js";
import { recordingKeyStatements } from "../../src/key-policy/write.js";
import { requiredPermission } from "../../src/key-store/administration.js";
import { schemas } from "../../src/key-store/schemas.js";
import { metricNames } from "../../src/opentelemetry/index.js";

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

describe("docs/guides/operating.md", () => {
  const guide = read("docs/guides/operating.md");
  const rowsUnder = (heading: string) =>
    [...(guide.split(/^##+ /m).find((text) => text.startsWith(heading)) ?? "").matchAll(/^\| `([^`]+)` \|/gm)]
      .map(([, name]) => name)
      .sort();

  test("says of each error code who has to act", () => {
    expect(rowsUnder("Error codes")).toEqual(tableUnder("Codes", read("docs/errors.md")).sort());
  });

  test("says of each event what to do", () => {
    expect(rowsUnder("Events")).toEqual([...eventNames].sort());
  });

  test("says of each metric when to raise an alert", () => {
    expect(rowsUnder("Metrics")).toEqual(Object.values(metricNames).sort());
  });

  test("leads to sections that are there", () => {
    const anchors = [...guide.matchAll(/^##+ (.*)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    expect(
      [...guide.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor).filter((a) => !anchors.includes(a ?? "")),
    ).toEqual([]);
  });
});

describe("docs/guides/key-policy.md", () => {
  const documentation = read("docs/guides/key-policy.md");

  test("has one row for each finding, with its severity", () => {
    const rows = [...documentation.matchAll(/^\| `([A-Z_]+)` \| (error|warning) \|/gm)].map(([, code, severity]) => [
      code,
      severity,
    ]);
    expect(rows).toEqual(keyPolicyFindingCodes.map((code) => [code, severityOf(code)]));
  });

  test("shows the statements that the library writes", () => {
    const json = /```json\n([^`]*)```/.exec(documentation)?.[1] ?? "";
    expect(JSON.parse(json)).toEqual(
      recordingKeyStatements({ serviceAccountId: "444455556666", organizationIds: ["org-4711"] }),
    );
  });

  test("shows the command that the library writes", () => {
    const [grant] = recordingKmsGrants({
      kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
      servicePrincipalArns: ["arn:aws:iam::444455556666:role/recordings"],
      organizationIds: ["org-4711"],
    });
    expect(/```sh\n([^`]*)\n```/.exec(documentation)?.[1]).toBe(grant?.command);
  });
});

test("docs/guides/administrators.md shows which permission each method needs", () => {
  const rows = [...read("docs/guides/administrators.md").matchAll(/^\| `(\w+)` \| `(recording:[\w:]+)` \|$/gm)].map(
    ([, method, permission]) => [method, permission],
  );
  expect(Object.fromEntries(rows)).toEqual(requiredPermission);
});

test("README is at most 9 KB long", () => {
  expect(Buffer.byteLength(read("README.md"))).toBeLessThanOrEqual(9_000);
});

describe("docs/guides/options.md", () => {
  interface Row {
    readonly name: string;
    readonly fallback: string;
    readonly bounds: string;
  }

  /** Rows of the table under the comment that names a schema. */
  const rowsOf = (schema: string): Row[] => {
    const [, table = ""] =
      read("docs/guides/options.md")
        .split(`<!-- schema: ${schema} -->`)[1]
        ?.match(/^\s*((?:\|.*\n)+)/) ?? [];
    return [...table.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name = "", rest = ""]) => {
      const [, , fallback = "", bounds = ""] = rest.split("|").map((cell) => cell.trim());
      return { name, fallback, bounds };
    });
  };
  const documented = Object.keys(schemas) as (keyof typeof schemas)[];
  const shapeOf = (schema: keyof typeof schemas): Record<string, z.ZodType> => schemas[schema].shape;
  /** The registry's table leaves out what a key store's has. */
  const expected = (schema: keyof typeof schemas) =>
    Object.keys(shapeOf(schema)).filter((name) => schema !== "registry" || !(name in shapeOf("options")));
  const number = (text: string) => Number(text.replaceAll(",", ""));

  test.each(documented)("names exactly the keys of the schema %s", (schema) => {
    expect(
      rowsOf(schema)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(expected(schema).sort());
  });

  test.each(documented)("has the defaults of the schema %s", (schema) => {
    for (const { name, fallback } of rowsOf(schema)) {
      const { success, data } = shapeOf(schema)[name]?.safeParse(undefined) ?? {};
      const stated = /^`(.*)`$/.exec(fallback)?.[1]?.replaceAll(/(?<=\d),(?=\d)/g, "");
      expect
        .soft({ name, required: !success, default: JSON.stringify(data ?? []).replaceAll(/["[\]]/g, "") })
        .toEqual({ name, required: fallback === "required", default: stated ?? "" });
    }
  });

  test.each(documented)("has the bounds of numbers of the schema %s", (schema) => {
    for (const { name, bounds } of rowsOf(schema)) {
      const [, least, , most] = /^(?:from )?([\d,]+)( to ([\d,]+))?$/.exec(bounds) ?? [];
      const takes = (value: number) => shapeOf(schema)[name]?.safeParse(value).success;
      if (least !== undefined)
        expect
          .soft({ name, at: takes(number(least)), below: takes(number(least) - 1) })
          .toEqual({ name, at: true, below: false });
      if (most !== undefined)
        expect
          .soft({ name, at: takes(number(most)), above: takes(number(most) + 1) })
          .toEqual({ name, at: true, above: false });
    }
  });
});

describe.each(["package-lock.json", "bench/package-lock.json", "test/clients/package-lock.json"])("%s", (file) => {
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

test("docs/reliability.md names tests and commands that are there, and tests for each promise", () => {
  const documentation = read("docs/reliability.md");
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const commands = [...documentation.matchAll(/`npm (?:run )?([\w:]+)/g)].map(([, name = ""]) => name);
  expect(commands.filter((name) => scripts[name] === undefined)).toEqual([]);
  const promises = [...documentation.matchAll(/^\| (?!promise|command|`npm)[^|]+\|[^|]+\| ([^|]+) \|$/gm)];
  expect(promises.length).toBeGreaterThan(15);
  const listed = promises.flatMap(([, cell = ""]) => cell.split(", "));
  for (const name of [...listed, ...(documentation.match(/`\w[\w-]*(?:\/[\w-]+)+`/g) ?? [])])
    expect.soft(existsSync(new URL(`../${name.replaceAll("`", "")}.test.ts`, import.meta.url)), name).toBe(true);
});

test("docs/architecture.md names files that are there", () => {
  const named = [...read("docs/architecture.md").matchAll(/`([\w/-]+\.ts)`/g)].map(([, file]) => file ?? "");
  expect(named.filter((file) => !existsSync(new URL(`../../src/${file}`, import.meta.url)))).toEqual([]);
  expect(named.length).toBeGreaterThan(20);
});

describe("links between the documents", () => {
  const folder = (name: string) =>
    readdirSync(new URL(`../../${name}`, import.meta.url)).map((file) => `${name}/${file}`);
  const documents = [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    ...folder("docs"),
    ...folder("docs/guides"),
  ].filter((name) => name.endsWith(".md"));
  /** As GitHub makes them of headings. */
  const anchorsIn = (markdown: string) =>
    [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );

  test.each(documents)("%s: every link leads to a file, and to a heading in it", (document) => {
    for (const [, link = "", anchor] of read(document).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const here = new URL(`../../${document}`, import.meta.url);
      const file = link === "" ? here : new URL(link, here);
      expect.soft(existsSync(file), `${document} links to ${link}`).toBe(true);
      if (anchor !== undefined && existsSync(file))
        expect.soft(anchorsIn(readFileSync(file, "utf8")), `${document} links to ${link}#${anchor}`).toContain(anchor);
    }
  });

  test.each(documents.filter((name) => name.startsWith("docs/guides/")))("README links to %s", (guide) => {
    expect(read("README.md")).toContain(`](${guide})`);
  });
});
