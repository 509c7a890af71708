import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { InvalidInputError } from "../../src/index.js";
import {
  NotPermittedError,
  requiredPermission,
  permissions,
  testStepNames,
  type AdministrationMethod,
  type KeyStoreAdministration,
  type TestStep,
} from "../../src/administration.js";
import { createTestKeyStore } from "../../src/testing/index.js";

const [view, edit] = permissions;
const methods = Object.keys(requiredPermission) as AdministrationMethod[];

async function world() {
  const parts = await createTestKeyStore();
  const call = (administration: KeyStoreAdministration, method: AdministrationMethod): Promise<unknown> => {
    const { kmsKeyAliasArn } = parts;
    if (method === "restoreKeyPairs") return administration[method]([]);
    return method === "test" || method === "configure"
      ? administration[method]({ kmsKeyAliasArn })
      : administration[method]();
  };
  return { ...parts, call };
}

const holders: [who: string, given: Iterable<string>, held: readonly string[]][] = [
  ["nobody", [], []],
  ["a viewer", [view], [view]],
  ["an editor, who sees nothing", new Set([edit]), [edit]],
  ["both", [edit, view], [view, edit]],
  ["a user with many permissions", ["routing:queue:view", view, "recording:encryptionKey:delete"], [view]],
  ["a wildcard, which means nothing here", ["recording:*:*", "*", view.toUpperCase(), ` ${edit}`], []],
];

describe.each(holders)("%s", (_, given, held) => {
  test.each(methods)("%s", async (method) => {
    const { keyStore, call } = await world();
    const reached = vi.spyOn(keyStore, method);
    const administration = keyStore.administration(given);
    const permission = requiredPermission[method];
    expect(administration.allowed[method]).toBe(held.includes(permission));
    if (held.includes(permission)) {
      await expect(call(administration, method)).resolves.toBeDefined();
      expect(reached).toHaveBeenCalledOnce();
      return;
    }
    const before = await keyStore.keyPairs();
    reached.mockClear();
    const error = await call(administration, method).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotPermittedError);
    expect(error).toMatchObject({
      code: "ERR_NOT_PERMITTED",
      retryable: false,
      method,
      permission,
      message: `${method}() needs the permission ${permission}`,
    });
    expect(reached).not.toHaveBeenCalled();
    reached.mockRestore();
    expect(await keyStore.keyPairs()).toEqual(before);
  });
});

test("what a method is called with, and what it gives, goes through", async () => {
  const { keyStore } = await world();
  const administration = keyStore.administration([view, edit]);
  const pair = await administration.rotate();
  expect((await administration.keyPairs({ limit: 1 })).items).toEqual([pair]);
  await expect(administration.test({ kmsKeyAliasArn: "alias/x" })).rejects.toMatchObject({ field: "kmsKeyAliasArn" });
  await expect(administration.status({ signal: AbortSignal.abort(new Error("gone")) })).rejects.toThrow("gone");
});

test("a page is told of the steps of a test, and of one that comes before saving, as far as its user may test", async () => {
  const { keyStore, kmsKeyAliasArn } = await world();
  const told: string[] = [];
  const onStep = ({ name, status }: TestStep) => void told.push(`${name} ${status}`);
  const all = testStepNames.map((name) => `${name} passed`);
  const administration = keyStore.administration([edit]);
  await administration.test({ kmsKeyAliasArn }, { onStep });
  expect(told.splice(0)).toEqual(all);
  await administration.configure({ kmsKeyAliasArn, periodicKeyChange: "yearly" }, { onStep });
  expect(told.splice(0)).toEqual(all);
  await administration.configure({ kmsKeyAliasArn, periodicKeyChange: "yearly" }, { onStep, onlyIfChanged: true });
  const refused = keyStore.administration([view]).test({ kmsKeyAliasArn }, { onStep });
  await expect(refused).rejects.toMatchObject({ code: "ERR_NOT_PERMITTED" });
  expect(told).toEqual([]);
  for (const method of ["test", "configure"] as const)
    await expect(administration[method]({ kmsKeyAliasArn }, { onStep: "x" as never })).rejects.toMatchObject({
      field: "onStep",
    });
});

test("it leads to nothing else", async () => {
  const { keyStore } = await world();
  const administration = keyStore.administration([view, edit]);
  expect(Object.keys(administration).sort()).toEqual([...methods, "allowed"].sort());
  expect(Object.getPrototypeOf(administration)).toBe(Object.prototype);
  expect(Object.isFrozen(administration) && Object.isFrozen(administration.allowed)).toBe(true);
  expect(inspect(administration, { depth: 5, showHidden: true })).not.toContain("RecordingKeyStore");
});

test("what is taken from a user later, or added to the list, changes nothing: make one for each request", async () => {
  const { keyStore } = await world();
  const given = [view] as string[];
  const administration = keyStore.administration(given);
  given.push(edit);
  await expect(administration.rotate()).rejects.toMatchObject({ code: "ERR_NOT_PERMITTED" });
});

test.each([undefined, null, view, 7, {}])("%o is no list of permissions", async (given) => {
  const { keyStore } = await world();
  expect(() => keyStore.administration(given as never)).toThrow(InvalidInputError);
});
