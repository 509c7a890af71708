import * as sdk from "@aws-sdk/client-kms";
import { mockClient } from "aws-sdk-client-mock";
import { createHash, createHmac } from "node:crypto";
import { installInMemoryKms, type InMemoryKms } from "../../src/testing/index.js";

export interface Caller {
  region: string;
  accessKeyId: string;
}

/** Outcome of a call, in the same form for every transport. */
export type Result =
  | { ok: true; output: Record<string, unknown> }
  | { ok: false; name: string; message: string | undefined; status: number | undefined; code: string | undefined };

export interface OpenTransport {
  send(operation: string, input: Record<string, unknown>, caller: Caller): Promise<Result>;
  close(): Promise<void>;
}

type AnyCommand = Parameters<sdk.KMSClient["send"]>[0];
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/** Every way to reach an in-memory KMS. */
export const transports: Record<string, (kms: InMemoryKms) => Promise<OpenTransport>> = {
  "request handler of a KMSClient": async (kms) => {
    const clients = new Clients(
      ({ region, accessKeyId }) => new sdk.KMSClient({ ...kms.clientConfig(region, { accessKeyId }), maxAttempts: 1 }),
    );
    return { send: clients.send, close: async () => clients.destroy() };
  },

  "KMSClient over HTTP": async (kms) => {
    const endpoint = await kms.listen();
    const clients = new Clients(
      ({ region, accessKeyId }) =>
        new sdk.KMSClient({
          region,
          endpoint: endpoint.url,
          credentials: { accessKeyId, secretAccessKey },
          maxAttempts: 1,
        }),
    );
    const close = () => {
      clients.destroy();
      return endpoint.close();
    };
    return { send: clients.send, close };
  },

  "aws-sdk-client-mock": async (kms) => {
    const mock = mockClient(sdk.KMSClient);
    installInMemoryKms(mock, kms);
    const clients = new Clients(
      ({ region, accessKeyId }) =>
        new sdk.KMSClient({ region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 }),
    );
    return { send: clients.send, close: async () => mock.restore() };
  },

  "raw signed requests": async (kms) => {
    const endpoint = await kms.listen();
    return {
      send: (operation, input, caller) => viaFetch(endpoint.url, operation, input, caller),
      close: () => endpoint.close(),
    };
  },
};

/** A client for each caller and Region, since making one takes longer than most calls. */
class Clients {
  readonly #make: (caller: Caller) => sdk.KMSClient;
  readonly #clients = new Map<string, sdk.KMSClient>();

  constructor(make: (caller: Caller) => sdk.KMSClient) {
    this.#make = make;
  }

  readonly send: OpenTransport["send"] = (operation, input, caller) => {
    const name = JSON.stringify([caller.region, caller.accessKeyId]);
    const client = this.#clients.get(name) ?? this.#make(caller);
    this.#clients.set(name, client);
    return viaClient(client, operation, input);
  };

  destroy(): void {
    for (const client of this.#clients.values()) client.destroy();
  }
}

async function viaClient(client: sdk.KMSClient, operation: string, input: Record<string, unknown>): Promise<Result> {
  const Command = (sdk as unknown as Record<string, new (input: object) => AnyCommand>)[`${operation}Command`];
  if (!Command) throw new Error(`The SDK has no ${operation}`);
  try {
    const { $metadata: _, ...output } = await client.send(new Command(input));
    return { ok: true, output };
  } catch (error) {
    const { name, message, $metadata, code } = error as Error & {
      $metadata?: { httpStatusCode?: number };
      code?: string;
    };
    return {
      ok: false,
      name,
      message: message === "UnknownError" ? undefined : message,
      status: $metadata?.httpStatusCode,
      code,
    };
  }
}

/** Sends a request as an SDK of another language does: JSON and Signature Version 4 by hand. */
async function viaFetch(
  url: string,
  operation: string,
  input: Record<string, unknown>,
  caller: Caller,
): Promise<Result> {
  const body = JSON.stringify(toWire(input));
  const response = await fetch(url, {
    method: "POST",
    headers: signedHeaders(new URL(url).host, `TrentService.${operation}`, body, caller),
    body,
  });
  const text = await response.text();
  const json = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  if (response.ok) return { ok: true, output: fromWire(json) };
  return {
    ok: false,
    name: String(json["__type"]),
    message: json["message"] as string | undefined,
    status: response.status,
    code: undefined,
  };
}

export function signedHeaders(
  host: string,
  target: string,
  body: string,
  { region, accessKeyId }: Caller,
): Record<string, string> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${date.slice(0, 8)}/${region}/kms/aws4_request`;
  const signed = { "content-type": "application/x-amz-json-1.1", host, "x-amz-date": date, "x-amz-target": target };
  const names = Object.keys(signed).join(";");
  const canonical = [
    "POST",
    "/",
    "",
    ...Object.entries(signed).map(([name, value]) => `${name}:${value}`),
    "",
    names,
    sha256(body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  const key = [date.slice(0, 8), region, "kms", "aws4_request"].reduce<string | Buffer>(
    (secret, part) => hmac(secret, part),
    `AWS4${secretAccessKey}`,
  );
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${hmac(key, toSign).toString("hex")}`;
  const { host: _, ...headers } = signed;
  return { ...headers, authorization };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();

const blobs = [
  "CiphertextBlob",
  "Plaintext",
  "PrivateKeyPlaintext",
  "PrivateKeyCiphertextBlob",
  "PublicKey",
  "Signature",
  "Mac",
  "SharedSecret",
  "SharedSecretCiphertextBlob",
  "ImportToken",
];

/** Converts blobs and times to the SDK's types. */
function fromWire(value: unknown, name = ""): Record<string, unknown> {
  return convert(value, name) as Record<string, unknown>;
}

function convert(value: unknown, name: string): unknown {
  if (blobs.includes(name)) return new Uint8Array(Buffer.from(value as string, "base64"));
  if (/Date$|ValidTo$|Timestamp$/.test(name) && typeof value === "number") return new Date(value * 1000);
  if (Array.isArray(value)) return value.map((item) => convert(item, ""));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item, key)]));
}

const toWire = (input: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      name,
      value instanceof Uint8Array
        ? Buffer.from(value).toString("base64")
        : value instanceof Date
          ? value.getTime() / 1000
          : isStructure(value)
            ? toWire(value)
            : value,
    ]),
  );

const isStructure = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
