import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inputCases } from "./cases-input.js";
import { cases, type Send } from "./cases.js";
import { transports, type OpenTransport } from "./transports.js";
import { home, makeWorld, type World } from "./world.js";

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

  it.each([...cases, ...inputCases])(
    "answers as AWS does: $name",
    async ({ given, call, as = "alice", region = home, error, output }) => {
      given?.(world);
      const [operation, input] = await call(world, succeed);
      const result = await transport.send(operation, input, { region, accessKeyId: world.callers[as] });
      if (error) {
        const [errorName, message, status = 400] = error;
        expect(result).toMatchObject({ ok: false, name: errorName, status });
        if (message !== undefined)
          expect(result).toMatchObject({ message: typeof message === "string" ? message : message(world) });
        expect(world.kms.journal.calls().at(-1)).toMatchObject({ operation, outcome: errorName, statusCode: status });
      } else {
        expect(result).toMatchObject({ ok: true });
        if (result.ok) output?.(result.output, world);
        expect(world.kms.journal.calls().at(-1)).toMatchObject({ operation, outcome: "ok", statusCode: 200 });
      }
    },
  );
});
