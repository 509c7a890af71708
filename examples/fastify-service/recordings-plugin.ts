import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { RecordingKeyStore } from "recording-keystore";
import { httpStatusOf, sendRecording } from "recording-keystore/http";
import { fileSource } from "recording-keystore/sources";

export interface RecordingsOptions {
  readonly keyStore: RecordingKeyStore;
  /** Where encrypted recordings lie. */
  readonly folder: string;
}

type ById = { Params: { id: string } };

/** `PUT` and `GET` of `/recordings/:id`, and `GET /health`. Put your own authorization before it, as a hook. */
export const recordings: FastifyPluginAsync<RecordingsOptions> = async (fastify, { keyStore, folder }) => {
  await mkdir(folder, { recursive: true });
  // Ids come from clients: as hexadecimal they are no paths.
  const fileOf = (id: string) => join(folder, `${Buffer.from(id).toString("hex")}.rksrec`);

  // Bodies of any type and length, as streams: nothing is collected in memory.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

  fastify.put<ById>("/recordings/:id", { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
    const { id } = request.params;
    const unfinished = `${fileOf(id)}.${request.id}.unfinished`;
    const encrypted = await keyStore.encryptRecording(request.body as Readable, { recordingId: id });
    try {
      const file = await open(unfinished, "wx");
      await pipeline(encrypted.body, file.createWriteStream({ flush: true }));
      // Whole, or not at all: a client that leaves in the middle has recorded nothing.
      await rename(unfinished, fileOf(id));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    const { plaintextSize } = await encrypted.done;
    // Still recorded while KMS is away; whoever asks may want to know.
    return reply.code(201).send({ id, size: plaintextSize, usedLastKnownKey: encrypted.usedLastKnownKey });
  });

  fastify.get<ById>("/recordings/:id", async (request: FastifyRequest<ById>, reply: FastifyReply) => {
    const { id } = request.params;
    const source = await fileSource(fileOf(id));
    const recording = await keyStore.openRecording(source, { recordingId: id }).catch(async (error: unknown) => {
      await source.close();
      throw error;
    });
    reply.hijack(); // from here on the answer is the library's: ranges, and breaking off where a part does not verify
    const options = { contentType: "audio/wav", closeWhenDone: true, onDone: () => source.close() };
    await sendRecording(recording, request.raw, reply.raw, options);
  });

  // Encrypting goes on while KMS is away, so the service is up; what an operator should look at stands in the body.
  fastify.get("/health", async () => {
    const { usedLastKnownKey, keyAtRisk, confirmation, lastKmsError } = await keyStore.status();
    return { recording: true, usedLastKnownKey, keyAtRisk, confirmation, kms: lastKmsError?.diagnosis.summary ?? "ok" };
  });

  // 503 where trying again may help, 404, 400 …; nothing of the error itself is for a client, and everything for the log.
  fastify.setErrorHandler((error, request, reply) => {
    request.log.error(error);
    const { statusCode } = error as { statusCode?: number };
    return reply.code(statusCode ?? httpStatusOf(error)).send();
  });

  // Fastify has answered what was under way when this runs. `close()` lets open streams end, and wipes the keys in memory.
  fastify.addHook("onClose", () => keyStore.close());
};
