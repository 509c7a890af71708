import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { RecordingsModule } from "./recordings.module.js";
import type { RecordingsOptions } from "./recordings.service.js";

export async function createApp(options: RecordingsOptions): Promise<NestFastifyApplication> {
  // A recording has no limit of length, and no body parser: the controller gets it as a stream.
  const adapter = new FastifyAdapter({ bodyLimit: Number.MAX_SAFE_INTEGER });
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares its options as a class
  const app = await NestFactory.create<NestFastifyApplication>(RecordingsModule.register(options), adapter, {
    bodyParser: false,
    logger: ["error", "warn"],
  });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  app.enableShutdownHooks(); // SIGTERM closes the application, and with it the key store
  return app;
}
