/**
 * A process that has a public bundle and nothing else: `worker.cjs BUNDLE INPUT OUTPUT`. Encrypts the file as bytes, as a stream and
 * as a file, and says by a line what came of it.
 */
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { PublicBundleEncryptor } from "../../src/encrypt-only.js";

async function main([bundle = "", input = "", output = ""]: readonly string[]): Promise<void> {
  const encryptor = new PublicBundleEncryptor({ organizationId: "org-1", bundle: readFileSync(bundle) });
  const bytes = await encryptor.encryptRecording(readFileSync(input), { recordingId: "bytes" });
  writeFileSync(`${output}.bytes`, bytes.body);
  const stream = await encryptor.encryptRecording(createReadStream(input), { recordingId: "stream" });
  await pipeline(stream.body, createWriteStream(`${output}.stream`));
  const file = await encryptor.encryptFile(input, `${output}.file`, { recordingId: "file" });
  const { keyPairId, confirmation } = bytes;
  process.stdout.write(`${JSON.stringify({ keyPairId, confirmation, size: file.plaintextSize })}\n`);
}

void main(process.argv.slice(2));
