import type { InMemoryKms } from "./in-memory-kms.js";

/** What `mockClient(KMSClient)` of `aws-sdk-client-mock` gives, as far as it matters here. */
export interface MockedClient {
  readonly send: { readonly callsFake: unknown };
}

/** A Sinon stub; its own types would tie the declaration to Sinon's. */
interface Stub {
  callsFake(
    fake: (this: unknown, command: SdkCommand, optionsOrCallback?: unknown, callback?: Callback) => unknown,
  ): unknown;
}

export interface InstallOptions {
  /** Calls as this caller, whatever credentials the client has. A client without any calls as an administrator. */
  accessKeyId?: string;
  /** The Region of clients that have none; `us-east-1` unless given. */
  region?: string;
}

interface SdkClient {
  constructor: unknown;
  config: {
    region?: string | (() => Promise<string>);
    maxAttempts?: unknown;
    retryMode?: unknown;
    logger?: unknown;
    /** The SDK marks the credentials that its user gave, as against those that it would look for itself. */
    credentials?: { attributed?: boolean };
  };
  middlewareStack: unknown;
}

type Handler = (command: unknown) => Promise<{ output: unknown }>;

interface SdkCommand {
  resolveMiddleware(stack: unknown, config: unknown, options: unknown): Handler;
}

type Callback = (error: unknown, output?: unknown) => void;

/**
 * Lets an `aws-sdk-client-mock` be answered by an in-memory KMS, through the SDK's own serialization and errors.
 * Behaviour that the test adds with `mock.on(…)` goes first. Install again after `mock.reset()`.
 */
export function installInMemoryKms(mock: MockedClient, kms: InMemoryKms, options: InstallOptions = {}): void {
  const twins = new WeakMap<SdkClient, SdkClient>();
  (mock.send as Stub).callsFake(function (command, optionsOrCallback, callback) {
    const client = this as SdkClient;
    const twin = twins.get(client) ?? twinOf(client, kms, options);
    twins.set(client, twin);
    const sendOptions = typeof optionsOrCallback === "function" ? undefined : optionsOrCallback;
    const done = typeof optionsOrCallback === "function" ? (optionsOrCallback as Callback) : callback;
    const result = command
      .resolveMiddleware(
        twin.middlewareStack,
        twin.config,
        sendOptions,
      )(command)
      .then(({ output }) => output);
    if (!done) return result;
    result.then((output) => done(undefined, output), done);
    return undefined;
  });
}

/** A client as the mocked one, but connected: the mocked one's `send` is gone. */
function twinOf(client: SdkClient, kms: InMemoryKms, options: InstallOptions): SdkClient {
  const { maxAttempts, retryMode, logger, credentials: own } = client.config;
  const caller = options.accessKeyId === undefined ? undefined : { accessKeyId: options.accessKeyId };
  const { region, credentials, requestHandler } = kms.clientConfig(options.region ?? "us-east-1", caller);
  const Client = client.constructor as new (config: object) => SdkClient;
  return new Client({
    maxAttempts,
    retryMode,
    logger,
    requestHandler,
    region: () => regionOf(client, region),
    credentials: caller === undefined && own?.attributed ? own : credentials,
  });
}

async function regionOf(client: SdkClient, fallback: string): Promise<string> {
  try {
    const { region } = client.config;
    return typeof region === "function" ? await region() : fallback;
  } catch {
    return fallback;
  }
}
