import { inspect } from "node:util";
import { afterEach, beforeEach, expect } from "vitest";
import { turns } from "./organization.js";

const kinds = ["unhandledRejection", "uncaughtException"] as const;

/** Has every test of a file fail that leaves a rejection or an exception to nobody. */
export function expectNothingUnhandled(): void {
  const seen: string[] = [];
  const listeners = kinds.map(
    (kind) => [kind, (reason: unknown) => void seen.push(`${kind}: ${shown(reason)}`)] as const,
  );

  beforeEach(() => {
    seen.length = 0;
    for (const [kind, listener] of listeners) process.on(kind as "uncaughtException", listener);
  });
  afterEach(async () => {
    await turns();
    for (const [kind, listener] of listeners) process.off(kind, listener);
    expect(seen).toEqual([]);
  });
}

function shown(reason: unknown): string {
  try {
    return inspect(reason);
  } catch {
    return "something that can't be shown";
  }
}
