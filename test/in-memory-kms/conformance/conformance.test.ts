import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cases, type Send } from "../cases.js";
import { inputCases } from "../cases-input.js";
import { transports, type OpenTransport } from "../transports.js";
import { home, makeWorld, type World } from "../world.js";
import { agreementRows } from "./agreement.js";
import { faultRows } from "./faults.js";
import { importRows } from "./import.js";
import { importedKeyRows } from "./imported-keys.js";
import { keyStoreConnectionRows } from "./key-store-connections.js";
import { keyStoreRows } from "./key-stores.js";
import { keyInStoreRows } from "./keys-in-key-stores.js";
import { lastUsageRows } from "./last-usage.js";
import { macRows } from "./macs.js";
import { managedKeyRows } from "./managed-keys.js";
import { permissionRows } from "./permissions.js";
import { publicKeyRows } from "./public-keys.js";
import { recipientRows } from "./recipient.js";
import { textFor, type Row } from "./row.js";
import { rsaEncryptionRows } from "./rsa-encryption.js";
import { signatureRows } from "./signatures.js";
import { conformancePage } from "./table.js";

const rows: readonly Row[] = [
  ...faultRows,
  ...publicKeyRows,
  ...signatureRows,
  ...rsaEncryptionRows,
  ...agreementRows,
  ...macRows,
  ...permissionRows,
  ...importRows,
  ...importedKeyRows,
  ...keyStoreRows,
  ...keyStoreConnectionRows,
  ...keyInStoreRows,
  ...lastUsageRows,
  ...managedKeyRows,
  ...recipientRows,
];

it("the page shows every row, and no other", async () => {
  await expect(conformancePage(rows, [...cases, ...inputCases])).toMatchFileSnapshot(
    "../../../docs/in-memory-kms-conformance.md",
  );
});

it("no two rows are about one situation", () => {
  const situations = rows.map(({ operation, situation }) => `${operation}: ${situation}`);
  expect(situations).toEqual([...new Set(situations)]);
});

/** Region of the key that a request names by its ARN, or the usual one. */
const regionOf = ({ KeyId = "" }: Record<string, unknown>) =>
  /^arn:[^:]+:kms:([^:]+):/.exec(KeyId as string)?.[1] ?? home;

describe.each(Object.keys(transports))("%s", (name) => {
  let world: World;
  let transport: OpenTransport;

  // One world for all rows, which leave what is in it as it was, and make what they change.
  beforeAll(async () => {
    world = makeWorld();
    transport = await (transports[name] as NonNullable<(typeof transports)[string]>)(world.kms);
  });
  afterAll(() => transport.close());

  const succeed: Send = async (operation, input, as = "alice", region = regionOf(input)) => {
    const result = await transport.send(operation, input, { region, accessKeyId: world.callers[as] });
    if (!result.ok) throw new Error(`${operation}: ${result.name}: ${result.message ?? ""}`);
    return result.output;
  };

  it.each(rows)("$operation answers, $situation", async (row) => {
    const { operation, as = "alice", region = home, error, output } = row;
    const input = await row.input(world, succeed);
    const result = await transport.send(operation, input, { region, accessKeyId: world.callers[as] });
    if (!error) {
      expect(result).toMatchObject({ ok: true });
      if (result.ok) await output?.(result.output, world, input, succeed);
      return;
    }
    const [errorName, text, status = 400] = error;
    const message = typeof text === "string" ? textFor(text, input) : text && expect.stringMatching(text);
    expect(result).toMatchObject({ ok: false, name: errorName, message, status });
    expect(world.kms.journal.calls().at(-1)).toMatchObject({ operation, outcome: errorName, statusCode: status });
  });
});
