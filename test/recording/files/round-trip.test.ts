import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { createTestKeyStore } from "../../../src/testing/index.js";
import { decryptBody, encryptBody } from "../../../src/recording/bodies.js";
import { FloeEncryptor } from "../../../src/format/floe.js";
import { atLength } from "../../support/effort.js";
import { useFreedPieces } from "../pieces.js";
import { dataKey, decrypt, header, lease } from "../support.js";
import { audio, throughLanes, useFolder } from "./support.js";

const MiB = 1_048_576;

describe("files, beside recordings in memory", () => {
  const { path } = useFolder();
  const watchFreed = useFreedPieces();

  /** Segments, ranges of the calling thread (1 MiB) and of workers (4 MiB), steps within those (1 MiB). */
  function sizesAround(capacity: number): number[] {
    const edges = [
      capacity,
      2 * capacity,
      Math.floor(MiB / capacity) * capacity,
      Math.floor((4 * MiB) / capacity) * capacity,
    ];
    return [...new Set([0, 1, ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]), 9 * MiB + 1])].filter(
      (size) => size >= 0,
    );
  }

  const few = [
    [0, 4_064],
    [2, 1_500_000],
  ] as const;
  const all = [...few, [1, 65_536], [0, 65_536], [0, 1_500_000], [2, 4_064], [2, 65_536], [4, 65_537]] as const;
  it.each(atLength<readonly (readonly [number, number])[]>(all, few))(
    "are the same through %i workers, segments of %i bytes, at every size around a boundary",
    async (workers, segmentSize) => {
      const segmentLength = segmentSize + 32;
      for (const size of sizesAround(segmentSize)) {
        const plaintext = audio(size);
        await writeFile(path("plain"), plaintext);
        await throughLanes("encrypt", path("plain"), path("encrypted"), { workers, segmentLength });
        const encrypted = await readFile(path("encrypted"));
        expect((await decrypt(encrypted)).equals(plaintext), `encrypted at size ${size}`).toBe(true);
        const { body } = await encryptBody(plaintext, {
          header: header({ segmentLength }),
          dataKey: Buffer.from(dataKey),
          segmentLength,
        });
        expect(encrypted.length - body.length, `length at size ${size}`).toBe(0);
        await writeFile(path("encrypted"), body);
        await throughLanes("decrypt", path("encrypted"), path("again"), { workers, segmentLength });
        expect((await readFile(path("again"))).equals(plaintext), `decrypted at size ${size}`).toBe(true);
      }
    },
  );

  it.each(atLength([0, 1, 2, 4], [0, 2]))("are the same through the key store with threads: %i", async (threads) => {
    const { keyStore } = await createTestKeyStore();
    const publicMetadata = { queue: "support" };
    const metadata = { from: "+49 30 1234567" };
    for (const [size, segmentSize] of [
      [0, 65_536],
      [1, 4_096],
      [65_536, 65_536],
      [24 * MiB + 7, 65_536],
      [24 * MiB, 16 * MiB],
    ] as const) {
      const plaintext = audio(size);
      await writeFile(path("plain"), plaintext);
      const encrypted = await keyStore.encryptFile(path("plain"), path("encrypted"), {
        recordingId: "r",
        asset: "screen",
        publicMetadata,
        metadata,
        segmentSize,
        threads,
        overwrite: true,
      });
      const bytes = await readFile(path("encrypted"));
      expect(encrypted).toMatchObject({
        plaintextSize: size,
        encryptedSize: bytes.length,
        usedLastKnownKey: false,
        keyAtRisk: false,
        confirmation: "confirmed",
      });
      expect(encrypted.threads).toBeLessThanOrEqual(Math.max(1, threads));
      const inMemory = await keyStore.decryptRecording(bytes, { recordingId: "r", asset: "screen" });
      expect(plaintext.equals(inMemory.body)).toBe(true);
      const decrypted = await keyStore.decryptFile(path("encrypted"), path("again"), {
        recordingId: "r",
        asset: "screen",
        threads,
        overwrite: true,
      });
      expect(decrypted).toMatchObject({
        plaintextSize: size,
        encryptedSize: bytes.length,
        keyPairId: encrypted.keyPairId,
        publicMetadata,
        metadata,
        confirmation: "confirmed",
      });
      expect((await readFile(path("again"))).equals(plaintext)).toBe(true);
    }
    await keyStore.close();
  });

  it("keep no output of a cipher once it is written", async () => {
    const plaintext = audio(4 * 65_536 + 5_000);
    await writeFile(path("plain"), plaintext);
    const freed = watchFreed();
    await throughLanes("encrypt", path("plain"), path("encrypted"), { workers: 0, segmentLength: 65_568 });
    await throughLanes("decrypt", path("encrypted"), path("again"), { workers: 0, segmentLength: 65_568 });
    expect(freed.map((count) => count())).toEqual([5, 5]);
    expect((await readFile(path("again"))).equals(plaintext)).toBe(true);
  });

  it("open a recording whose last segment was written empty behind a full one", async () => {
    const headerBytes = header();
    const floe = new FloeEncryptor(dataKey, headerBytes, { segmentLength: 4_096 });
    const plaintext = audio(4_064);
    await writeFile(
      path("encrypted"),
      Buffer.concat([headerBytes, floe.header, ...floe.segment([plaintext], false), ...floe.segment([], true)]),
    );
    for (const workers of [0, 2]) {
      await throughLanes("decrypt", path("encrypted"), path("again"), { workers });
      expect((await readFile(path("again"))).equals(plaintext)).toBe(true);
    }
    expect((await decryptBody(await readFile(path("encrypted")), { open: async () => lease() })).body.length).toBe(
      4_064,
    );
  });
});
