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

/** A call of KMS that waits. */
export interface HeldCall {
  /** Ends with the call's own end, or with an error. */
  readonly release: (error?: Error) => void;
  /** Resolves with the call's signal once it has begun. */
  readonly begun: Promise<AbortSignal | undefined>;
}

/** The example service with its recordings in a folder that a test can look into, asked without a socket. */
export class ServiceUnderTest {
  readonly service: Service;
  readonly folder: string;
  readonly #app: Hono<Env>;
  readonly #remove: () => Promise<void>;

  static async open(settings: Partial<Settings> = {}): Promise<ServiceUnderTest> {
    const { folder, remove } = await temporaryFolder("service-");
    // A test that holds KMS up decides itself for how long.
    const service = await openService(
      { ...readSettings({}), dataFolder: folder, ...settings },
      { kmsTimeout: 600_000 },
    );
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

  /** Holds up the next `Decrypt` of the embedded KMS. */
  holdDecrypt(): HeldCall {
    const provider = this.service.embeddedKms?.provider;
    if (!provider) throw new Error("there is no embedded KMS");
    let release: HeldCall["release"] = () => undefined;
    const released = new Promise<Error | undefined>((resolve) => (release = resolve));
    const decrypt = provider.decrypt.bind(provider);
    const begun = new Promise<AbortSignal | undefined>((resolve) => {
      provider.decrypt = async (request, options) => {
        provider.decrypt = decrypt;
        resolve(options?.signal);
        const error = await released;
        if (error) throw error;
        return decrypt(request, options);
      };
    });
    return { release, begun };
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
