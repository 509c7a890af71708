import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { fastify } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestKeyStore, type TestKeyStore } from "recording-keystore/testing";
import { recordings } from "../../examples/fastify-service/recordings-plugin.js";
import { createApp } from "../../examples/nest-service/main.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** How each service is started on a free port, and closed. */
const services = {
  "the Fastify service": async ({ keyStore }: TestKeyStore, folder: string) => {
    const app = fastify();
    await app.register(recordings, { keyStore, folder });
    return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
  },
  "the Nest service": async ({ keyStore }: TestKeyStore, folder: string) => {
    const app = await createApp({ keyStore, folder });
    await app.listen(0, "127.0.0.1");
    return { url: await app.getUrl(), close: () => app.close() };
  },
};

describe.each(Object.entries(services))("%s", (_name, start) => {
  const audio = randomBytes(3 << 20);
  let world: TestKeyStore;
  let service: { url: string; close: () => Promise<void> };
  let folder: string;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    world = await createTestKeyStore();
    ({ folder, remove } = await temporaryFolder("service-"));
    service = await start(world, join(folder, "recordings"));
  });
  afterEach(async () => {
    await service.close();
    await remove();
  });
  const files = () => readdirSync(join(folder, "recordings"));
  const put = async (id: string, body: Uint8Array<ArrayBuffer> = audio, type = "audio/wav") => {
    const url = `${service.url}/recordings/${encodeURIComponent(id)}`;
    const answer = await fetch(url, { method: "PUT", body, headers: { "content-type": type } });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const play = async (id: string, range?: string) => {
    const url = `${service.url}/recordings/${encodeURIComponent(id)}`;
    const answer = await fetch(url, range === undefined ? {} : { headers: { range } });
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  };

  it("encrypts what is uploaded, of any type, and plays any range", async () => {
    expect((await put("call/../1")).body).toEqual({ id: "call/../1", size: audio.length, usedLastKnownKey: false });
    expect((await put("call-2", Buffer.from("{}"), "application/json")).body).toMatchObject({ size: 2 });
    expect(files()).toHaveLength(2);
    const whole = await play("call/../1");
    expect(whole.status).toBe(200);
    expect(whole.body.equals(audio)).toBe(true);
    const middle = await play("call/../1", "bytes=1000000-1000999");
    expect(middle.status).toBe(206);
    expect(middle.body.equals(audio.subarray(1_000_000, 1_001_000))).toBe(true);
  });

  it("records on while KMS is away, says 503 to players, and shows it in its health", async () => {
    await put("call-1");
    world.keyStore.forgetPrivateKeys();
    world.kms.faults.outage();
    await world.keyStore.confirm();
    expect((await put("call-2")).body).toMatchObject({ usedLastKnownKey: true });
    expect(await play("call-1")).toEqual({ status: 503, body: Buffer.alloc(0) });
    const health = await fetch(`${service.url}/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ recording: true, usedLastKnownKey: true, kms: expect.any(String) });
    world.kms.faults.heal();
    expect((await play("call-2")).body.equals(audio)).toBe(true);
  });

  it("says 404 for what is not there", async () => {
    expect(await play("call-9")).toEqual({ status: 404, body: Buffer.alloc(0) });
    expect((await fetch(`${service.url}/elsewhere`)).status).toBe(404);
  });

  it("keeps nothing of an upload whose client leaves in the middle", async () => {
    const upload = request(`${service.url}/recordings/call-1`, {
      method: "PUT",
      headers: { "content-length": "9999999" },
    });
    upload.on("error", () => undefined);
    upload.write(audio);
    await expect.poll(files).toHaveLength(1);
    upload.destroy();
    await expect.poll(files).toEqual([]);
  });

  it("closes the key store when it ends", async () => {
    await service.close();
    await expect(world.keyStore.encryptRecording(audio, { recordingId: "call-1" })).rejects.toMatchObject({
      code: "ERR_CLOSED",
    });
  });
});
