import type { InMemoryKms } from "./in-memory-kms.js";

/** The part of an `aws-sdk-client-mock`'s `mockClient(KMSClient)` that the in-memory KMS needs. */
export interface MockedClient {
  readonly send: { readonly callsFake: unknown };
}

/** A Sinon stub. Sinon's own types would tie the declarations to them. */
interface Stub {
  callsFake(
    fake: (this: unknown, command: SdkCommand, optionsOrCallback?: unknown, callback?: Callback) => unknown,
  ): unknown;
}

export interface InstallOptions {
  /** Caller, whatever credentials the client has. Default: the client's own, else an administrator's. */
  accessKeyId?: string;
  /** Region of clients without one. Default `us-east-1`. */
  region?: string;
}

interface SdkClient {
  constructor: unknown;
  config: {
    region?: string | (() => Promise<string>);
    maxAttempts?: unknown;
    retryMode?: unknown;
    logger?: unknown;
    /** The SDK marks credentials that its user gave, as against those that it would look up. */
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
 * Makes an in-memory KMS answer an `aws-sdk-client-mock`, through the SDK's own serialization and errors. Behaviour that
 * the test adds with `mock.on(…)` takes precedence. Install it again after `mock.reset()`.
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

/** A copy of the mocked client that is connected, since the mock has replaced `send`. */
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
