// Known answers of the FLOE reference implementations: NAME_pt.txt and NAME_ct.txt in a folder, as hex.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FloeDecryptor, FloeEncryptor } from "../src/format/floe.js";
import { isInnerSegment, segmentParts } from "../src/format/segment-parts.js";
import { floeHeaderLength, segmentOverhead } from "../src/format/segments.js";

const key = Buffer.alloc(32);
const aad = Buffer.from("This is AAD");

function hex(path: string): Buffer {
  return Buffer.from(readFileSync(path, "utf8").trim(), "hex");
}

function decrypt(ciphertext: Buffer, segmentLength: number, rotationMask: number): Buffer {
  const floe = new FloeDecryptor(key, aad, ciphertext.subarray(0, floeHeaderLength), { segmentLength, rotationMask });
  const parts: Buffer[] = [];
  let offset = floeHeaderLength;
  for (let position = 0; ; position += 1) {
    const field = ciphertext.readUInt32BE(offset);
    const last = !isInnerSegment(field);
    const end = offset + (last ? field : segmentLength);
    parts.push(...floe.segment(segmentParts(ciphertext.subarray(offset, end)), position, last));
    offset = end;
    if (!last) continue;
    if (offset !== ciphertext.length) throw new Error("bytes follow the last segment");
    return Buffer.concat(parts);
  }
}

function encrypt(plaintext: Buffer, segmentLength: number, rotationMask: number): Buffer {
  const floe = new FloeEncryptor(key, aad, { segmentLength, rotationMask });
  const pieces = [floe.header];
  const capacity = segmentLength - segmentOverhead;
  let offset = 0;
  for (; plaintext.length - offset > capacity; offset += capacity)
    pieces.push(...floe.segment([plaintext.subarray(offset, offset + capacity)], false));
  pieces.push(...floe.segment([plaintext.subarray(offset)], true));
  return Buffer.concat(pieces);
}

function check(folder: string, name: string): string | undefined {
  try {
    const plaintext = hex(join(folder, `${name}_pt.txt`));
    const ciphertext = hex(join(folder, `${name}_ct.txt`));
    const segmentLength = ciphertext.readUInt32BE(2);
    const rotationMask = name.includes("rotation") ? 2 : 20;
    if (!decrypt(ciphertext, segmentLength, rotationMask).equals(plaintext)) return "decrypts to something else";
    if (!decrypt(encrypt(plaintext, segmentLength, rotationMask), segmentLength, rotationMask).equals(plaintext))
      return "does not survive a round trip";
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: npm run floe-kats -- DIR");
  process.exit(2);
}
const names = readdirSync(folder).flatMap((file) => /^(.+)_ct\.txt$/.exec(file)?.[1] ?? []);
let failed = 0;
for (const name of names) {
  const problem = check(folder, name);
  if (problem !== undefined) failed += 1;
  console.log(`${problem === undefined ? "ok  " : "FAIL"} ${name}${problem === undefined ? "" : `: ${problem}`}`);
}
console.log(`${names.length - failed} passed, ${failed} failed`);
if (failed > 0 || names.length === 0) process.exitCode = 1;
