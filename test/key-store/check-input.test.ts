import { isDeepStrictEqual } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { checkInput, ownOptions } from "../../src/util/check-input.js";
import type { InvalidInputError } from "../../src/errors.js";
import { polluted } from "../support/polluted.js";
import { check, schemas } from "../../src/key-store/schemas.js";

type Kind = keyof typeof schemas;
type Check = typeof check;
const kinds = Object.keys(schemas) as Kind[];
const namesOf = (kind: Kind) => Object.keys(schemas[kind].shape);
/** Every option that there is, also those of other kinds. */
const names = [...new Set(kinds.flatMap(namesOf))];

const nothing = () => undefined;
const kmsKeyAliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";
const kms = { describeKey: nothing, encrypt: nothing, decrypt: nothing, generateDataKeyPair: nothing };
const store = {
  readHead: nothing,
  swapHead: nothing,
  createKeyPair: nothing,
  readKeyPair: nothing,
  listKeyPairs: nothing,
};
const parties = { homeRegion: "eu-west-1", kms, store };
/** The least that kinds take which need anything. */
const needed: Readonly<Partial<Record<string, object>>> = {
  options: { organizationId: "org-1", ...parties },
  registry: parties,
  configuration: { kmsKeyAliasArn },
  encrypt: { recordingId: "recording-1" },
  decrypt: { recordingId: "recording-1" },
  decryptRecording: { recordingId: "recording-1" },
  bundleEncryptor: { organizationId: "org-1", bundle: "a bundle" },
};
const leastOf = (kind: Kind) => needed[kind] ?? {};
/** Something that the option takes, where any of these is. */
const values: readonly unknown[] = [
  undefined,
  null,
  true,
  7,
  "eu-west-1",
  ["111122223333"],
  {},
  nothing,
  new AbortController().signal,
];

afterEach(() => {
  for (const name in {}) throw new Error(`${name} is left on Object.prototype`);
});

/** All that a caller can see of a check: every option as it comes out, inherited or not, or the error. */
function outcome(kind: Kind, input: unknown, by: Check = check): object {
  try {
    const result = by(kind, input) as unknown as Record<string, unknown>;
    return { members: Object.keys(result), seen: names.map((name) => [name, name in result, result[name]]) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return {
      error: error.constructor.name,
      message: error.message,
      field: (error as Partial<InvalidInputError>).field,
    };
  }
}

/** Inputs of each kind, good and bad. */
function inputsOf(kind: Kind): unknown[] {
  const known = namesOf(kind);
  const whole = { ...leastOf(kind) };
  const without = known.filter((name) => name in whole).map((name) => ({ ...whole, [name]: undefined }));
  return [whole, {}, undefined, null, "text", [], { ...whole, unknown: 1 }, ...without, { ...whole, signal: 7 }];
}

const allInputs = kinds.flatMap((kind) => inputsOf(kind).map((input) => ({ kind, input })));
/** What comes of all inputs of all kinds. */
const outcomes = (by: Check = check) => allInputs.map(({ kind, input }) => ({ kind, ...outcome(kind, input, by) }));

describe.each(names)("Object.prototype.%s", (name) => {
  it("changes nothing about any input", () => {
    const expected = outcomes();
    const found = values.map((value) => polluted(name, value, outcomes));
    found.push(polluted(name, ["111122223333"], outcomes, false));
    for (const each of found) {
      if (!isDeepStrictEqual(each, expected)) expect(each).toEqual(expected); // which alone would take long
    }
  });
});

it.each([[["111122223333"]], [7], ["text"]])(
  "%j in all of Object.prototype changes nothing about first uses",
  async (value) => {
    vi.resetModules();
    const fresh = await import("../../src/key-store/schemas.js");
    const all = names.reduce<() => object>(
      (task, name) => () => polluted(name, value, task),
      () => outcomes(fresh.check),
    );
    expect(all()).toEqual(outcomes());
  },
);

describe.each(kinds)("input of the kind %s", (kind) => {
  it("can be as little as this test says", () => {
    expect(outcome(kind, leastOf(kind))).toHaveProperty("members");
  });

  it("comes out without a prototype", () => {
    expect(Object.getPrototypeOf(check(kind, leastOf(kind)))).toBeNull();
  });

  it("may come without a prototype", () => {
    const bare = Object.assign(Object.create(null) as object, leastOf(kind));
    expect(outcome(kind, bare)).toEqual(outcome(kind, leastOf(kind)));
  });

  it("may be an instance whose fields are options", () => {
    class Options {
      constructor() {
        Object.assign(this, leastOf(kind));
      }
      method() {
        return this;
      }
    }
    expect(outcome(kind, new Options())).toEqual(outcome(kind, leastOf(kind)));
  });
});

describe("options", () => {
  const schema = z.strictObject({
    name: z.string().default("none"),
    list: z.array(z.strictObject({ size: z.int().optional() })).optional(),
    inner: z.strictObject({ flag: z.boolean().default(false), level: z.number().optional() }).optional(),
  });
  const broken = (input: unknown) => {
    try {
      return checkInput(schema, input);
    } catch (error) {
      return error;
    }
  };
  const error = (field: string, rule: string) =>
    expect.objectContaining({ code: "ERR_INVALID_INPUT", field, rule }) as unknown;

  it("that are inherited are not read", () => {
    expect(checkInput(schema, Object.create({ name: "inherited", other: 1 }))).toEqual({ name: "none" });
  });

  it("that are accessors are read once", () => {
    const name = vi.fn(() => "read");
    const size = vi.fn(() => 7);
    const item = Object.defineProperty({}, "size", { get: size, enumerable: true });
    const input = Object.defineProperty({ list: [item] }, "name", { get: name, enumerable: true });
    expect(checkInput(schema, input)).toEqual({ name: "read", list: [{ size: 7 }] });
    expect([name, size].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });

  it("that are refused are read once, too", () => {
    const name = vi.fn(() => 7);
    expect(broken(Object.defineProperty({}, "name", { get: name, enumerable: true }))).toEqual(
      error("name", "must be a string"),
    );
    expect(name).toHaveBeenCalledTimes(1);
  });

  it("may be hidden from listings", () => {
    const hidden = Object.defineProperty({}, "name", { value: "hidden", enumerable: false });
    expect(checkInput(schema, hidden)).toEqual({ name: "hidden" });
    expect(checkInput(schema, Object.defineProperty({}, "mark", { value: 1, enumerable: false }))).toEqual({
      name: "none",
    });
  });

  it.each(["size", "flag", "level"])("within options know nothing of Object.prototype.%s", (name) => {
    const input = { list: [{}, { size: 1 }], inner: {} };
    const seen = () => {
      const { list, inner } = checkInput(schema, input);
      return [
        list?.map((item): unknown[] => [item.size, Object.getPrototypeOf(item)]),
        inner?.flag,
        inner?.level,
        Object.getPrototypeOf(inner),
      ] as unknown[];
    };
    const expected = [
      [
        [undefined, null],
        [1, null],
      ],
      false,
      undefined,
      null,
    ];
    expect(seen()).toEqual(expected);
    for (const value of [7, true, "x"]) expect(polluted(name, value, seen)).toEqual(expected);
  });

  it("with defaults of their own know nothing of Object.prototype either", () => {
    const outer = z.strictObject({ inner: z.strictObject({ level: z.number().optional() }).default({}) });
    for (const input of [{}, { inner: {} }]) {
      expect(polluted("level", 7, () => checkInput(outer, input).inner.level)).toBeUndefined();
    }
  });

  it("named __proto__ are unknown ones", () => {
    expect(broken(JSON.parse('{"__proto__":{"name":"x"}}'))).toEqual(error("__proto__", "is not a known option"));
  });

  it.each<[input: unknown, field: string, rule: string]>([
    [{ list: {} }, "list", "must be an array"],
    [{ list: [{ size: 1.5 }] }, "list.0.size", "must be a whole number"],
    [{ list: [{ size: "1" }] }, "list.0.size", "must be a number"],
    [{ list: [{ sizes: 1 }] }, "sizes", "is not a known option"],
    [{ inner: [] }, "inner", "must be an object"],
    [{ inner: { flag: 1 } }, "inner.flag", "must be a boolean"],
    [7, "input", "must be an object"],
    [[], "input", "must be an object"],
  ])("are refused in words: %j", (input, field, rule) => {
    expect(broken(input)).toEqual(error(field, rule));
  });
});

describe("options without a schema", () => {
  it("are a copy of own members, each read once", () => {
    const get = vi.fn(() => 7);
    class Options {
      readonly own = 1;
      get inherited() {
        return 2;
      }
    }
    const own = ownOptions(Object.defineProperty(new Options(), "hidden", { get }));
    expect(Object.entries(own)).toEqual([
      ["own", 1],
      ["hidden", 7],
    ]);
    expect([own.inherited, Object.getPrototypeOf(own)]).toEqual([undefined, null]);
    expect(get).toHaveBeenCalledTimes(1);
  });

  it("are none where none are given", () => expect(ownOptions(undefined as unknown as object)).toEqual({}));
});
