import { afterEach, describe, expect, it, vi } from "vitest";
import type { StatusDocument } from "../../../src/key-pairs/documents.js";
import { decodeStatus, encodeStatus, FleetSecret } from "../../../src/key-pairs/active/fleet-word.js";
import { invented } from "../inventions.js";
import { failure } from "../verdicts.js";
import { fleetSecret, minute, organizationId, world, type WorkerOptions } from "../world.js";
import { statusOf } from "../../../src/key-pairs/active/fleet-status.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

/** Workers of a fleet, two vouched pairs, and what was written to the store since one last asked. */
function fleetOf() {
  const parts = world();
  const worker = (options: WorkerOptions = { fleetSecret: fleetSecret() }) => parts.worker(options);
  const join = (options?: WorkerOptions) => worker(options).fleet;
  const { trust } = parts.worker();
  const [pair, next] = [1, 2].map((sequence) => trust.vouchByHost(invented({ birth: { sequence } })));
  const writes = vi.spyOn(parts.store, "writeStatus");
  const written = () => writes.mock.calls.splice(0).map(([, document]) => decodeStatus(document));
  const plant = (status: StatusDocument | Buffer) =>
    parts.store.writeStatus(organizationId, Buffer.isBuffer(status) ? status : encodeStatus(status));
  return { ...parts, worker, join, pair: pair!, next: next!, written, plant };
}

const well = { confirmedAt: 5 };
const ill = { confirmedAt: 5, error: failure("key-disabled") };

describe("the fleet's word", () => {
  it("is what another worker with the secret has told", async () => {
    const { join, pair, clock } = fleetOf();
    await join().tell(pair, ill);
    const word = await join().word();
    expect(word).toMatchObject(statusOf(pair, { ...ill, at: clock.now() }));
    expect(word?.mac).toHaveLength(32);
  });

  it("is told again where the store did not take it", async () => {
    const { join, pair, store, written } = fleetOf();
    const fleet = join();
    vi.mocked(store.writeStatus).mockImplementationOnce(away);
    await fleet.tell(pair, well);
    await fleet.tell(pair, well);
    await fleet.tell(pair, well); // which is no news any more
    expect(written()).toHaveLength(2);
    expect(await join().word()).toMatchObject(well);
  });

  it("is none where nothing stands there, and is not asked for without a secret", async () => {
    const { join, store, pair } = fleetOf();
    const read = vi.spyOn(store, "readStatus");
    expect(await join().word()).toBeUndefined();
    await join().tell(pair, well);
    expect(await join({}).word()).toBeUndefined();
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("is none of those without the secret, with another one, or of another organization", async () => {
    const { join, pair, plant, clock } = fleetOf();
    const told = statusOf(pair, { ...well, at: clock.now() });
    const foreign = new FleetSecret([fleetSecret()]).sign("org-2", told);
    const forgedWord = { ...told, mac: Buffer.alloc(32, 7) };
    const wrong = new FleetSecret([fleetSecret(2)]).sign(organizationId, told);
    for (const status of [told, foreign, forgedWord, wrong]) {
      await plant(status);
      expect(await join().word()).toBeUndefined();
    }
  });

  it("is none where the item is torn or too long for anybody's, or the store is away", async () => {
    const { join, plant, pair, store } = fleetOf();
    await plant(Buffer.from("torn"));
    expect(await join().word()).toBeUndefined();
    const status = { ...statusOf(pair, { ...well, at: 5 }), mac: Buffer.alloc(32), keyPairId: "x".repeat(70_000) };
    vi.spyOn(store, "readStatus").mockResolvedValueOnce(encodeStatus(status));
    expect(await join().word()).toBeUndefined();
    vi.spyOn(store, "readStatus").mockImplementation(away);
    expect(await join().word()).toBeUndefined();
  });
});

describe("what stands in the store about a pair", () => {
  it("is shown with or without a secret, and whether it is the fleet's", async () => {
    const { join, pair, plant, clock } = fleetOf();
    await join().tell(pair, ill);
    const status = expect.objectContaining({
      at: clock.now(),
      failure: { kind: "key-disabled", operation: "Decrypt", message: "KMS says key-disabled" },
    }) as unknown;
    expect(await join().told(pair)).toEqual({ status, word: status });
    expect(await join({ fleetSecret: fleetSecret(2) }).told(pair)).toEqual({ status });
    expect(await join({}).told(pair)).toEqual({ status });
    await plant(statusOf(pair, { ...well, at: 5 }));
    const planted = await join().told(pair);
    expect(planted).toMatchObject({ status: { at: 5 } });
    expect(planted).not.toHaveProperty("word");
  });

  it("is nothing about another pair, or where nothing can be read", async () => {
    const { join, pair, next, store } = fleetOf();
    expect(await join().told(pair)).toBeUndefined();
    await join().tell(pair, well);
    expect(await join().told(next)).toBeUndefined();
    expect(await join().told({ ...pair, publicKey: next.publicKey })).toBeUndefined();
    vi.spyOn(store, "readStatus").mockImplementation(away);
    expect(await join().told(pair)).toBeUndefined();
  });
});

describe("telling the others", () => {
  it("says when KMS confirmed the pair and was asked, signed where there is a secret", async () => {
    const { join, pair, written, clock } = fleetOf();
    await join({}).tell(pair, well);
    await join({}).tell(pair, ill);
    const plain = [well, ill].map((news) => statusOf(pair, { ...news, at: clock.now() }));
    expect(written()).toEqual(plain);
    await join().tell(pair, well);
    const secret = new FleetSecret([fleetSecret()]);
    expect(written()).toEqual([secret.sign(organizationId, plain[0]!)]);
  });

  it("says the same not sooner than 25 seconds later, and other news at once", async () => {
    const { join, pair, next, written, clock } = fleetOf();
    const fleet = join();
    const tells = async (after: number, ...news: Parameters<typeof fleet.tell>) => {
      clock.advance(after);
      await fleet.tell(...news);
      return written().length;
    };
    const slow = { confirmedAt: 5, error: failure("throttled") };
    expect({
      first: await tells(0, pair, well),
      same: await tells(24_999, pair, { confirmedAt: 6 }),
      later: await tells(1, pair, well),
      failure: await tells(0, pair, slow),
      otherWords: await tells(0, pair, { ...slow, error: failure("throttled", "other words") }),
      otherFailure: await tells(0, pair, ill),
      otherPair: await tells(0, next, ill),
      well: await tells(0, next, well),
      again: await tells(0, next, well),
      forced: await tells(0, next, well, { force: true }),
    }).toEqual({
      first: 1,
      same: 0,
      later: 1,
      failure: 1,
      otherWords: 0,
      otherFailure: 1,
      otherPair: 1,
      well: 1,
      again: 0,
      forced: 1,
    });
  });

  it("says nothing of a pair before the newest one told of, unless an operator goes back", async () => {
    const { join, pair, next, written } = fleetOf();
    const speaker = join();
    await speaker.tell(next, well);
    const listener = join();
    await listener.word();
    written();
    for (const fleet of [speaker, listener]) await fleet.tell(pair, well);
    expect(written()).toEqual([]);
    await listener.tell(next, well);
    await speaker.tell(pair, well, { force: true });
    expect(written().map(({ sequence }) => sequence)).toEqual([2, 1]);
    await speaker.tell(pair, ill);
    expect(written().map(({ sequence }) => sequence)).toEqual([1]);
  });

  it("is not silenced by an old word, nor by one that is nobody's", async () => {
    const { join, pair, next, written, plant } = fleetOf();
    const fleet = join();
    await join().tell(next, well);
    await fleet.word();
    await join().tell(pair, well);
    await fleet.word();
    written();
    await fleet.tell(pair, well);
    expect(written()).toEqual([]);
    const other = join();
    await plant(statusOf(next, { ...well, at: 5 }));
    await other.word();
    written();
    await other.tell(pair, well);
    expect(written()).toHaveLength(1);
  });

  it("fails in silence", async () => {
    const { join, pair, store } = fleetOf();
    vi.spyOn(store, "writeStatus").mockImplementation(away);
    await expect(join().tell(pair, well)).resolves.toBeUndefined();
  });

  it("says where the alias leads with everything else, and at once where that is new", async () => {
    const { worker, pair, next, written, clock } = fleetOf();
    const { fleet, context } = worker();
    const { alias } = context;
    alias.takeUp(pair);
    await fleet.tell(pair, well);
    expect(written().map((status) => status.alias)).toEqual([undefined]);
    const at = clock.now();
    alias.looking(pair);
    alias.found(pair, { kmsKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/b" });
    const drift = { at, since: at, kmsKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/b" };
    for (const news of [well, well, ill]) await fleet.tell(pair, news);
    expect(written().map((status) => status.alias)).toEqual([drift, drift]);
    expect((await fleet.word())?.alias).toEqual(drift);
    await fleet.tell(next, well);
    expect(written().map((status) => status.alias)).toEqual([undefined]);
  });

  it("of a new pair is done where the others can believe it", async () => {
    const { join, pair, written, clock } = fleetOf();
    clock.advance(minute);
    await join({}).tellNew(pair, well);
    expect(written()).toEqual([]);
    await join().tellNew(pair, well);
    expect(written()).toMatchObject([{ sequence: 1, confirmedAt: 5, at: clock.now() }]);
  });
});
