import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { decryptBody, encryptBody } from "../../src/recording/bodies.js";
import { yieldToEventLoop } from "../../src/util/event-loop.js";
import { effort } from "../support/effort.js";
import { chunks, collect, dataKey, encrypt, header, lease, segmentLength } from "../recording/support.js";

/** Time that each look at the clock adds to it, in ms: as if each step took that long. */
let stepTakes = 0;

beforeEach(() => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += stepTakes));
});
afterEach(() => vi.restoreAllMocks());

/** Number of iterations of the event loop while a task runs. */
async function iterationsDuring(task: () => Promise<unknown>): Promise<number> {
  let iterations = 0;
  let running = true;
  const count = () => {
    iterations += 1;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  await new Promise((resolve) => setImmediate(resolve)); // lets what a test before this one began end
  await task();
  running = false;
  return iterations;
}

it("lets steps run while an iteration is young, and makes them wait in order once it is old", async () => {
  stepTakes = 1;
  await iterationsDuring(async () => {
    const made = Array.from({ length: 9 }, () => yieldToEventLoop());
    expect(made.slice(0, 8).every((wait) => wait === undefined)).toBe(true);
    expect(made[8]).toBeInstanceOf(Promise);
    const order: number[] = [];
    const later = [8, 9, 10, 11].map(async (index) => {
      await (index === 8 ? made[8] : yieldToEventLoop());
      order.push(index);
    });
    expect(await iterationsDuring(() => Promise.all(later))).toBeGreaterThanOrEqual(3); // one step per iteration, the first in the one counted from
    expect(order).toEqual([8, 9, 10, 11]);
  });
});

const plaintext = randomBytes(4 * 1_048_576);
const streams = effort(5, 2);
const all = (one: () => Promise<unknown>) => () => Promise.all(Array.from({ length: streams }, one));
const request = () => ({ header: header(), dataKey: Buffer.from(dataKey), segmentLength });
const opening = { open: async () => lease() };

it.each<[string, (encrypted: Buffer) => () => Promise<unknown>]>([
  [
    "encryption of streams",
    () => all(async () => collect((await encryptBody(Readable.from(chunks(plaintext, 1_048_576)), request())).body)),
  ],
  ["encryption of bytes", () => all(() => encryptBody(plaintext, request()))],
  [
    "decryption of streams",
    (encrypted) =>
      all(async () => collect((await decryptBody(Readable.from(chunks(encrypted, 1_048_576)), opening)).body)),
  ],
  ["decryption of bytes", (encrypted) => all(() => decryptBody(encrypted, opening))],
])("%s lets the event loop go on between its steps", async (_, taskFor) => {
  const task = taskFor(await encrypt(plaintext));
  stepTakes = 0;
  const unhurried = await iterationsDuring(task);
  stepTakes = 10;
  expect(await iterationsDuring(task)).toBeGreaterThan(unhurried + 3 * streams); // at least four steps each
});
