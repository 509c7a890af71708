import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import {
  Catch,
  Controller,
  Get,
  HttpException,
  Inject,
  Module,
  Param,
  Put,
  Req,
  Res,
  type ArgumentsHost,
  type DynamicModule,
  type ExceptionFilter,
} from "@nestjs/common";
import { APP_FILTER } from "@nestjs/core";
import { httpStatusOf } from "recording-keystore/http";
import { RecordingsService, recordingsOptions, type RecordingsOptions } from "./recordings.service.js";

/** Of platform-fastify: the raw request and response, and the way to take over the answer. */
interface Reply {
  readonly raw: ServerResponse;
  hijack(): void;
  code(status: number): Reply;
  send(body?: unknown): Reply;
}

/** Put your own guards before it. */
@Controller()
class RecordingsController {
  // `@Inject` by name: it works under every compiler, also those that emit no metadata of types (esbuild, SWC by default).
  constructor(@Inject(RecordingsService) private readonly recordings: RecordingsService) {}

  @Put("recordings/:id")
  record(@Param("id") id: string, @Req() request: { body: Readable }) {
    return this.recordings.record(id, request.body);
  }

  @Get("recordings/:id")
  async play(@Param("id") id: string, @Req() request: { raw: IncomingMessage }, @Res() reply: Reply): Promise<void> {
    const send = await this.recordings.open(id);
    reply.hijack(); // from here on the answer is the library's
    await send(request.raw, reply.raw);
  }

  @Get("health")
  health() {
    return this.recordings.health();
  }
}

/** 503 where trying again may help, 404, 400 …; nothing of the error itself is for a client. */
@Catch()
class RecordingErrors implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<Reply>();
    void reply.code(error instanceof HttpException ? error.getStatus() : httpStatusOf(error)).send();
  }
}

@Module({})
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- what makes it a module is its decorator
export class RecordingsModule {
  static register(options: RecordingsOptions): DynamicModule {
    return {
      module: RecordingsModule,
      controllers: [RecordingsController],
      providers: [
        RecordingsService,
        { provide: recordingsOptions, useValue: options },
        { provide: APP_FILTER, useClass: RecordingErrors },
      ],
      exports: [RecordingsService],
    };
  }
}
