import type { Hono } from "hono";
import { createApp } from "../../examples/recording-service/app.js";
import { openService, type Service } from "../../examples/recording-service/service.js";
import { readSettings, type Settings } from "../../examples/recording-service/settings.js";
import type { Env } from "../../examples/recording-service/visitor.js";
import { temporaryFolder } from "../support/temporary-folder.js";

export const origin = "http://localhost:8080";

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | URLSearchParams | ReadableStream<Uint8Array>;
}

/** The example service with its recordings in a folder that a test can look into, asked without a socket. */
export class ServiceUnderTest {
  readonly service: Service;
  readonly folder: string;
  readonly #app: Hono<Env>;
  readonly #remove: () => Promise<void>;

  static async open(settings: Partial<Settings> = {}): Promise<ServiceUnderTest> {
    const { folder, remove } = await temporaryFolder("service-");
    const service = await openService({ ...readSettings({}), dataFolder: folder, ...settings });
    return new ServiceUnderTest(service, folder, remove);
  }

  private constructor(service: Service, folder: string, remove: () => Promise<void>) {
    this.service = service;
    this.folder = folder;
    this.#app = createApp(service);
    this.#remove = remove;
  }

  /** Answers requests of a server. */
  get fetch(): Hono<Env>["fetch"] {
    return this.#app.fetch;
  }

  async close(): Promise<void> {
    await this.service.close();
    await this.#remove();
  }

  /** Asks as a browser on the service's own pages does. */
  async ask(path: string, { method = "GET", headers = {}, body }: Asked = {}, host = origin): Promise<Response> {
    const own = method === "GET" || method === "HEAD" ? {} : { origin };
    const init = { method, headers: { ...own, ...headers }, ...(body && { body }) };
    return this.#app.request(`${host}${path}`, body instanceof ReadableStream ? { ...init, duplex: "half" } : init);
  }

  async page(path: string, asked?: Asked): Promise<string> {
    return (await this.ask(path, asked)).text();
  }

  submit(path: string, fields: Readonly<Record<string, string>>, headers: Asked["headers"] = {}): Promise<Response> {
    return this.ask(path, { method: "POST", body: new URLSearchParams(fields), headers });
  }

  /** Throws the demonstration's switch. */
  async kms(condition: string): Promise<void> {
    await this.submit("/demonstration", { organization: "northwind-energy", role: "administrator", kms: condition });
  }

  /** Uploads, and gives the recording's address. */
  async upload(bytes: Uint8Array<ArrayBuffer>, name = "call.wav", seconds = 2.5): Promise<string> {
    const query = new URLSearchParams({ name, seconds: String(seconds) });
    const path = `/northwind-energy/recordings?${query.toString()}`;
    const answer = await this.ask(path, { method: "POST", body: bytes, headers: { "content-type": "audio/wav" } });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    return ((await answer.json()) as { address: string }).address;
  }
}
