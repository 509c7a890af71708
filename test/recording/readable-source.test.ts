import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { atRest, collect } from "./support.js";
import { pullReadable } from "../../src/recording/stream-source.js";

const silent = (highWaterMark?: number) =>
  new Readable({ read: () => undefined, ...(highWaterMark ? { highWaterMark } : {}) });
const end = { done: true, value: undefined };
const chunk = (text: string) => ({ done: false, value: Buffer.from(text) });
const closed = { code: "ERR_STREAM_PREMATURE_CLOSE", message: "the stream was closed before its end" };

describe("a Readable that is pulled", () => {
  it("gives each chunk as it came, then the end, again and again", async () => {
    const stream = silent();
    for (const text of ["a", "b"]) stream.push(text);
    const pull = pullReadable(stream);
    expect([await pull(), await pull()]).toEqual([chunk("a"), chunk("b")]);
    const waiting = pull();
    stream.push("c");
    stream.push(null);
    expect([await waiting, await pull(), await pull()]).toEqual([chunk("c"), end, end]);
  });

  it("flows only while somebody waits", async () => {
    const stream = silent();
    for (const text of ["a", "b", "c"]) stream.push(text);
    const pull = pullReadable(stream);
    await atRest();
    expect([stream.readableLength, stream.isPaused()]).toEqual([3, true]);
    await pull();
    await atRest();
    expect([stream.readableLength > 0, stream.isPaused()]).toEqual([true, true]);
  });

  it("gives what came before its error, then the error", async () => {
    const stream = silent();
    const pull = pullReadable(stream);
    const waiting = pull();
    stream.push("a");
    expect(await waiting).toEqual(chunk("a"));
    const failing = pull();
    stream.destroy(new Error("disk gone"));
    await expect(failing).rejects.toThrow("disk gone");
    await expect(pull()).rejects.toThrow("disk gone");
  });

  it.each<[string, () => Promise<Readable>, object | undefined]>([
    [
      "has failed",
      async () => {
        const stream = silent();
        stream.on("error", () => undefined).destroy(new Error("disk gone"));
        await atRest();
        return stream;
      },
      { message: "disk gone" },
    ],
    ["was destroyed", async () => silent().destroy(), closed],
    [
      "was destroyed, and is at rest",
      async () => {
        const stream = silent().destroy();
        await atRest();
        return stream;
      },
      closed,
    ],
    [
      "was read to its end",
      async () => {
        const stream = Readable.from([Buffer.from("a")]);
        await collect(stream);
        return stream;
      },
      undefined,
    ],
  ])("is told apart where it %s before", async (_what, make, error) => {
    const pull = pullReadable(await make());
    if (error) await expect(pull()).rejects.toMatchObject(error);
    else expect(await pull()).toEqual(end);
  });

  it("fails where it is closed while somebody waits, or before", async () => {
    const stream = silent();
    const pull = pullReadable(stream);
    const waiting = pull();
    stream.destroy();
    await expect(waiting).rejects.toMatchObject(closed);
    await expect(pull()).rejects.toMatchObject(closed);
  });
});
