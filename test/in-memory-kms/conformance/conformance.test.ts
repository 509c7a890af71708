import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Send } from "../cases.js";
import { transports, type OpenTransport } from "../transports.js";
import { home, makeWorld, type World } from "../world.js";
import { faultRows } from "./faults.js";
import { textFor, type Row } from "./row.js";
import { conformancePage } from "./table.js";

const rows: readonly Row[] = [...faultRows];

it("the page shows every row, and no other", async () => {
  await expect(conformancePage(rows)).toMatchFileSnapshot("../../../docs/in-memory-kms-conformance.md");
});

it("no two rows are about one situation", () => {
  const situations = rows.map(({ operation, situation }) => `${operation}: ${situation}`);
  expect(situations).toEqual([...new Set(situations)]);
});

describe.each(Object.keys(transports))("%s", (name) => {
  let world: World;
  let transport: OpenTransport;

  beforeEach(async () => {
    world = makeWorld();
    transport = await (transports[name] as NonNullable<(typeof transports)[string]>)(world.kms);
  });
  afterEach(() => transport.close());

  const succeed: Send = async (operation, input, as = "alice", region = home) => {
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
      if (result.ok) await output?.(result.output, world, input);
      return;
    }
    const [errorName, text, status = 400] = error;
    const message = text === undefined ? undefined : textFor(text, input);
    expect(result).toMatchObject({ ok: false, name: errorName, message, status });
    expect(world.kms.journal.calls().at(-1)).toMatchObject({ operation, outcome: errorName, statusCode: status });
  });
});
