import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { FloeEncryptor } from "../../src/format/floe.js";
import { SegmentKeys } from "../../src/recording/segment-keys.js";
import { dataKey, header, lease, type LeaseState, segmentLength } from "./support.js";

const headerBytes = header();
const encryptor = new FloeEncryptor(dataKey, headerBytes, { segmentLength });
const preamble = { header: { segmentLength }, encodedHeader: headerBytes, floeHeader: encryptor.header };
const fresh = (): LeaseState => ({ released: 0, renewed: 0, valid: true });
const wiped = ({ handedOut = [] }: LeaseState) => handedOut.map((key) => key.every((byte) => byte === 0));
const usable = (leased: SegmentKeys) => leased.use((floe) => floe);
const works = (floe: { segments: { copyMessageKey(target: Uint8Array): void } }) => {
  try {
    return floe.segments.copyMessageKey(new Uint8Array(48)) === undefined;
  } catch {
    return false;
  }
};
const forgotten = new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "forgotten");

describe("keys of a recording", () => {
  it("are derived once for a term, and what else stands under the data key is opened once", async () => {
    const state = fresh();
    const opened: boolean[] = [];
    const leased = await SegmentKeys.open(
      lease(state),
      preamble,
      undefined,
      (key) => void opened.push(key.equals(dataKey)),
    );
    const floe = leased.held!;
    expect(await usable(leased)).toBe(floe);
    expect([opened, wiped(state), state.renewed]).toEqual([[true], [true], 0]);
    state.valid = false;
    expect(leased.held).toBeUndefined();
    const next = await usable(leased);
    expect([works(floe), works(next), opened.length, wiped(state), state.renewed]).toEqual([
      false,
      true,
      1,
      [true, true],
      1,
    ]);
    leased.destroy();
    leased.destroy();
    expect([works(next), state.released]).toEqual([false, 1]);
  });

  it("of a new term that several wait for are derived by the first of them", async () => {
    const state = fresh();
    const leased = await SegmentKeys.open(lease(state), preamble);
    state.valid = false;
    state.renew = async () => void (state.valid = true);
    const [one, other] = await Promise.all([usable(leased), usable(leased)]);
    expect(one).toBe(other);
    expect([works(one), wiped(state)]).toEqual([true, [true, true, true]]);
  });

  it("that were had after the term are used once, and wiped by whoever comes next", async () => {
    const state = fresh();
    const leased = await SegmentKeys.open(lease(state), preamble);
    state.valid = false;
    const [one, other] = await Promise.all([usable(leased), usable(leased)]);
    expect([one === other, works(one), works(other)]).toEqual([false, false, true]);
  });

  it("do not outlive a reader that was closed while they were fetched", async () => {
    const state = fresh();
    const leased = await SegmentKeys.open(lease(state), preamble);
    state.valid = false;
    const using = leased.use((floe) => [works(floe), floe] as const);
    leased.destroy();
    state.valid = true;
    const [worked, floe] = await using;
    expect([worked, works(floe), leased.held, wiped(state)]).toEqual([true, false, undefined, [true, true]]);
  });

  it("are not derived once nobody wants them any more; the data key is wiped all the same", async () => {
    const state = fresh();
    const leased = await SegmentKeys.open(lease(state), preamble);
    const controller = new AbortController();
    state.valid = false;
    state.renew = async () => controller.abort(new Error("enough"));
    await expect(leased.use(() => expect.fail("was used"), controller.signal)).rejects.toThrow("enough");
    expect([leased.held, wiped(state), state.released]).toEqual([undefined, [true, true], 0]);
  });

  it("go with the term; whoever holds more of it is told, also later that keys were forgotten", async () => {
    const state = fresh();
    const leased = await SegmentKeys.open(lease(state), preamble);
    const floe = leased.held!;
    state.end?.(); // nobody has asked to be told
    expect([works(floe), leased.held]).toEqual([false, undefined]);
    const told: unknown[] = [];
    leased.onEnd((error) => void told.push(error));
    expect(told).toEqual([]);
    state.end?.();
    state.end?.(forgotten);
    state.end?.(new RecordingKeyStoreError("ERR_CLOSED", "closed"));
    expect(told.map((error) => (error as RecordingKeyStoreError | undefined)?.code)).toEqual([
      undefined,
      "ERR_KEYS_FORGOTTEN",
      "ERR_CLOSED",
    ]);
    leased.onEnd((error) => void told.push(error));
    expect(told.at(-1)).toBe(forgotten); // the first reason
  });

  it("are given back where they do not belong to the recording", async () => {
    const state = fresh();
    const first = () => expect.fail("was opened");
    await expect(
      SegmentKeys.open(lease(state), { ...preamble, encodedHeader: header({ asset: "screen" }) }, undefined, first),
    ).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    expect([state.released, wiped(state)]).toEqual([1, [true]]);
  });
});
