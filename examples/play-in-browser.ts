/*
 * An encrypted call in a browser's own player: seeking fetches and decrypts only what is played.
 *
 *   npx tsx examples/play-in-browser.ts          the call in examples/assets
 *   npx tsx examples/play-in-browser.ts FILE     a WAV file of yours
 *
 * Open the address it prints, and drag the player's slider. Ctrl-C ends it. The encrypted recording lies in a file; for an
 * object in S3 put `s3Source({ client, bucket, key })` of recording-keystore/sources/s3 in the place of `fileSource`.
 */
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import type { RandomAccessSource } from "recording-keystore";
import { sendRecording } from "recording-keystore/http";
import { fileSource } from "recording-keystore/sources";
import { createTestKeyStore } from "recording-keystore/testing";

const page = `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <title>An encrypted call</title>
  <h1>An encrypted call</h1>
  <p>The file on the server is encrypted. Play it, and drag the slider.</p>
  <audio controls preload="metadata" src="/recordings/call-1"></audio>
</html>
`;

/** The same source, counting the encrypted bytes that are read from it. */
function counted(source: RandomAccessSource): RandomAccessSource & { bytes: number } {
  const counting = {
    size: source.size,
    bytes: 0,
    read: (offset: number, length: number, signal?: AbortSignal) => {
      counting.bytes += length;
      return source.read(offset, length, signal);
    },
  };
  return counting;
}

async function main(file: string, folder: string): Promise<void> {
  const { keyStore } = await createTestKeyStore();
  const encryptedFile = join(folder, "call-1.rec");
  const { body } = await keyStore.encryptRecording(createReadStream(file), { recordingId: "call-1" });
  await pipeline(body, createWriteStream(encryptedFile));

  const encrypted = await fileSource(encryptedFile);
  const source = counted(encrypted);
  // One open recording serves every player; it asks KMS again whenever privateKeyTtl has passed.
  const recording = await keyStore.openRecording(source, { recordingId: "call-1" });
  console.log(
    `${basename(file)}: ${recording.size} bytes, encrypted ${source.size}; opening read ${source.bytes} of them`,
  );

  const server = createServer((request, response) => {
    if (request.url !== "/recordings/call-1") {
      response
        .writeHead(request.url === "/" ? 200 : 404, { "Content-Type": "text/html; charset=utf-8" })
        .end(request.url === "/" ? page : "");
      return;
    }
    // Here a service asks whether this user may hear this recording.
    const before = source.bytes;
    response.once("close", () =>
      console.log(
        `${request.headers.range ?? "no range"} → ${response.statusCode}: ${source.bytes - before} encrypted bytes read`,
      ),
    );
    void sendRecording(recording, request, response, {
      contentType: "audio/wav",
      etag: '"call-1"',
      onError: console.error,
    });
  });
  server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1");
  await once(server, "listening");
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);

  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  server.closeAllConnections();
  server.close();
  await keyStore.close(); // closes the recording, too
  await encrypted.close();
}

const folder = await mkdtemp(join(tmpdir(), "play-in-browser-"));
try {
  await main(resolve(process.argv[2] ?? fileURLToPath(new URL("assets/call.wav", import.meta.url))), folder);
} finally {
  await rm(folder, { recursive: true, force: true });
}
