import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sendRecording } from "../../src/http/index.js";
import { fileSource } from "../../src/sources/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { configured } from "../support/setup.js";

describe("a player, a server, an encrypted file", () => {
  it("seeks while KMS says yes, learns 503 when it doesn't, and plays on when it does again", async () => {
    const { folder, remove } = await temporaryFolder();
    const { keyStore, kms, clock } = await configured();
    const recording = randomBytes(500_000);
    const { body } = await keyStore.encryptRecording(recording, { recordingId: "call-1" });
    await writeFile(join(folder, "call-1.rec"), body);
    const source = await fileSource(join(folder, "call-1.rec"));
    const open = await keyStore.openRecording(source, { recordingId: "call-1" });
    const failures: unknown[] = [];
    const server = createServer(
      (request, response) =>
        void sendRecording(open, request, response, {
          contentType: "audio/wav",
          onError: (error) => failures.push(error),
        }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const ask = async (first: number, last: number) => {
      const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
        headers: { range: `bytes=${first}-${last}` },
      });
      return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
    };
    const seeks = async () => {
      const { status, body: part } = await ask(200_000, 299_999);
      expect(status).toBe(206);
      expect(recording.subarray(200_000, 300_000).equals(part)).toBe(true);
    };

    await seeks();
    kms.faults.accessDenied();
    clock.advance(61_000); // past privateKeyTtl, custody has to ask KMS again
    expect(await ask(200_000, 299_999)).toEqual({ status: 503, body: Buffer.alloc(0) });
    expect(failures).toEqual([expect.objectContaining({ code: "ERR_KMS_REFUSED" })]);
    kms.faults.heal();
    await seeks();

    await writeFile(join(folder, "call-1.rec"), randomBytes(body.length)); // somebody writes to the file
    expect((await ask(400_000, 400_009)).status).toBe(500);
    expect(failures[1]).toMatchObject({ code: "ERR_SOURCE_CHANGED" });

    server.closeAllConnections();
    server.close();
    await keyStore.close();
    await source.close();
    await remove();
  });
});
