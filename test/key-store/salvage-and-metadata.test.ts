import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/index.js";
import { collect } from "../recording/support.js";
import { configured, kmsKeyAliasArn } from "../support/setup.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const options = { recordingId: "call-1" };
const metadata = { from: "+49 30 1234567", participants: [{ name: "Ada", channel: 0 }] };
const audio = randomBytes(3 * 4_096 + 100);
const encryption = { ...options, metadata, publicMetadata: { codec: "opus" }, segmentSize: 4_096 };

async function recorded() {
  const parts = await configured();
  const encrypted = await parts.keyStore.encryptRecording(audio, encryption);
  const header = Buffer.from(encrypted.body);
  const sectionAt = 12 + header.readUInt32BE(8);
  return {
    ...parts,
    encrypted: header,
    keyPairId: encrypted.keyPairId,
    sectionAt,
    start: sectionAt + 74 + 32 + 256 + 74,
  };
}

describe("metadata", () => {
  it("comes back from every call that opens a recording, and counts in encryptedSize", async () => {
    const { keyStore, encrypted, keyPairId } = await recorded();
    const facts = { metadata, publicMetadata: { codec: "opus" }, keyPairId, confirmation: "confirmed" };
    expect(encrypted.length).toBe(await keyStore.encryptedSize(audio.length, encryption));
    expect(await keyStore.decryptRecording(encrypted, options)).toMatchObject(facts);
    expect(await keyStore.decryptRecording(Readable.from([encrypted]), options)).toMatchObject(facts);
    expect(await keyStore.salvageRecording(encrypted, options)).toMatchObject({
      ...facts,
      complete: true,
      plaintextSize: audio.length,
    });
    await using reader = await keyStore.openRecording(bytesSource(encrypted), options);
    expect(reader).toMatchObject(facts);
    for (const input of [encrypted, Readable.from([encrypted]), bytesSource(encrypted)])
      expect(await keyStore.readMetadata(input as Uint8Array, options)).toEqual(facts);
  });

  it("goes with files, too", async () => {
    const { keyStore } = await configured();
    const { folder, remove } = await temporaryFolder("metadata-");
    const [plain, sealed, again] = ["plain", "sealed", "again"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(plain, audio);
    const { encryptedSize } = await keyStore.encryptFile(plain, sealed, encryption);
    expect(encryptedSize).toBe(await keyStore.encryptedSize(audio.length, encryption));
    expect(await keyStore.decryptFile(sealed, again, options)).toMatchObject({ metadata });
    expect((await readFile(again)).equals(audio)).toBe(true);
    expect(await keyStore.readMetadata(createReadStream(sealed), options)).toMatchObject({ metadata });
    await remove();
  });

  it("is absent where none was given", async () => {
    const { keyStore } = await configured();
    const { body, keyPairId } = await keyStore.encryptRecording(audio, options);
    expect(await keyStore.readMetadata(body, options)).toEqual({ keyPairId, confirmation: "confirmed" });
    expect("metadata" in (await keyStore.decryptRecording(body, options))).toBe(false);
  });

  it("needs KMS, and the recording's names, as its audio does", async () => {
    const { keyStore, encrypted, kms, keyStoreWith } = await recorded();
    kms.journal.clear();
    for (const input of [encrypted, Readable.from([encrypted]), bytesSource(encrypted)]) {
      await expect(keyStore.readMetadata(input as Uint8Array, { recordingId: "other" })).rejects.toMatchObject({
        code: "ERR_RECORDING_MISMATCH",
      });
    }
    expect(kms.journal.count()).toBe(0);
    const other = keyStoreWith({ organizationId: "org-2" });
    await other.configure({ kmsKeyAliasArn });
    await expect(other.readMetadata(encrypted, options)).rejects.toMatchObject({ code: "ERR_RECORDING_MISMATCH" });
    kms.faults.outage();
    await expect(keyStore.readMetadata(encrypted, options)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
  });

  it("is in no file, error or inspect output", async () => {
    const { keyStore, encrypted } = await recorded();
    const seen: unknown[] = [keyStore, await keyStore.openRecording(bytesSource(encrypted), options)];
    const caught = async (task: () => Promise<unknown>) => seen.push(await task().catch((error: unknown) => error));
    for (const wrong of [
      "+49 30 1234567",
      ["+49 30 1234567"],
      { from: "+49 30 1234567", n: 1n },
      { from: "+49 30 1234567\ud800" },
      { toJSON: () => "+49 30 1234567" },
    ]) {
      await caught(() => keyStore.encryptRecording(audio, { ...options, metadata: wrong as never }));
    }
    const changed = Buffer.from(encrypted);
    changed[changed.length - 1]! ^= 1;
    await caught(() => keyStore.decryptRecording(changed, options));
    await caught(() => keyStore.readMetadata(encrypted.subarray(0, 1_000), options));
    expect(seen.length).toBe(9);
    expect(inspect(seen, { depth: Infinity, showHidden: true }) + encrypted.toString("latin1")).not.toContain(
      "1234567",
    );
    for (const error of seen.slice(2, 7)) expect(error).toMatchObject({ code: "ERR_INVALID_INPUT", field: "metadata" });
  });
});

describe("salvageRecording() of a file that was truncated", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeAll(async () => ({ folder, remove } = await temporaryFolder("salvage-")));
  afterAll(() => remove());

  it("gives whole segments and says so, whatever the cut", async () => {
    const { keyStore, encrypted, sectionAt, start } = await recorded();
    const segment = 4_096 + 32;
    const boundaries = [
      0,
      6,
      12,
      sectionAt,
      sectionAt + 10,
      sectionAt + 74,
      sectionAt + 78,
      sectionAt + 90,
      start - 74 - 16,
      start - 74,
      start - 64,
      start - 32,
      start,
    ];
    for (let at = start; at < encrypted.length; at += segment)
      boundaries.push(at, at + 4, at + 16, Math.min(at + segment, encrypted.length) - 16);
    boundaries.push(encrypted.length);
    const file = join(folder, "recording");
    const lengths = new Set(
      boundaries.flatMap((at) => [at - 1, at, at + 1]).filter((length) => length >= 0 && length <= encrypted.length),
    );
    expect(lengths.size).toBeGreaterThan(80);
    for (const length of lengths) {
      await writeFile(file, encrypted);
      await truncate(file, length);
      const whole = length === encrypted.length;
      const size = whole ? audio.length : Math.max(0, Math.floor((length - start) / segment)) * 4_096;
      for (const streamed of [false, true]) {
        const salvaging = streamed
          ? keyStore.salvageRecording(createReadStream(file), options)
          : keyStore.salvageRecording(await readFile(file), options);
        if (length < start) {
          await expect(salvaging, String(length)).rejects.toMatchObject({ code: "ERR_RECORDING_TRUNCATED" });
          continue;
        }
        const salvaged = await salvaging;
        expect((await collect(salvaged.body)).equals(audio.subarray(0, size)), String(length)).toBe(true);
        const totals = "done" in salvaged ? await salvaged.done : salvaged;
        expect(totals, String(length)).toMatchObject({
          complete: whole,
          plaintextSize: size,
          ...(whole ? { encryptedSize: length } : { damage: { code: "ERR_RECORDING_TRUNCATED" } }),
        });
        expect(salvaged).toMatchObject({ metadata, publicMetadata: { codec: "opus" } });
      }
    }
  });

  it("is no way around names and keys, and ends with its signal and with close()", async () => {
    const { keyStore, encrypted, kms } = await recorded();
    await expect(keyStore.salvageRecording(encrypted, { recordingId: "other" })).rejects.toMatchObject({
      code: "ERR_RECORDING_MISMATCH",
    });
    kms.faults.outage();
    await expect(keyStore.salvageRecording(encrypted.subarray(0, -1), options)).rejects.toMatchObject({
      code: "ERR_KMS_UNAVAILABLE",
    });
    kms.faults.heal();
    async function* hanging() {
      yield encrypted.subarray(0, -1);
      await new Promise(() => undefined);
    }
    const aborted = new AbortController();
    const { body } = await keyStore.salvageRecording(hanging(), { ...options, signal: aborted.signal });
    const reading = collect(body);
    setTimeout(() => aborted.abort(new Error("enough")), 5);
    await expect(reading).rejects.toThrow("enough");
    const { done } = await keyStore.salvageRecording(hanging(), options);
    await keyStore.close({ signal: AbortSignal.abort(new Error("shutdown")) });
    await expect(done).rejects.toThrow("shutdown");
  });
});
