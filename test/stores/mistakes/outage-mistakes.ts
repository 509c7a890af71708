import { RecordingKeyStoreError } from "../../../src/errors.js";
import { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { StoreError } from "../../../src/stores/store-error.js";
import type { KeyPairStoreUnderTest } from "../../../src/testing/index.js";
import { boundedCall, isDeadline } from "../../../src/util/abort.js";
import { everyCall } from "./call-mistakes.js";
import { changed } from "./mistaken.js";

const away = (): StoreError => new StoreError("unreachable", { operation: "call", message: "the store is away" });
const deadline = 60;

interface Server {
  down: boolean;
  /** Whether it has been down before. */
  wasDown: boolean;
}
type Answer = (context: {
  server: Server;
  name: string;
  given: readonly unknown[];
  call: () => Promise<unknown>;
}) => Promise<unknown>;

/** A store over a server that can be stopped. `whileDown` is how its calls end then. */
function withServer(whileDown: Answer, whenBack?: Answer): () => KeyPairStoreUnderTest {
  return () => {
    const real = new MemoryKeyPairStore();
    const server: Server = { down: false, wasDown: false };
    const calls = everyCall(real, (name, call) => async (...given) => {
      const context = { server, name, given, call: () => call(...given) };
      if (server.down) return whileDown(context);
      return server.wasDown && whenBack ? whenBack(context) : call(...given);
    });
    const stopped = {
      begin: async () => void (server.down = server.wasDown = true),
      end: async () => void (server.down = false),
    };
    return { store: changed(real, calls), outages: { stopped } };
  };
}

const signalOf = (given: readonly unknown[]) => (given.at(-1) as { signal?: AbortSignal } | undefined)?.signal;
const never = (): Promise<never> => new Promise(() => undefined);

/** Ends at its deadline, or with its signal. */
const correct: Answer = async ({ given }) => {
  const signal = signalOf(given);
  return boundedCall(never, { deadline, signal }).catch((error: unknown) => {
    throw isDeadline(error) ? away() : error;
  });
};

export const correctInOutages = withServer(correct);

const refused: Answer = async ({ given }) => {
  signalOf(given)?.throwIfAborted();
  throw away();
};

export const outageMistakes: Readonly<Record<string, () => KeyPairStoreUnderTest>> = {
  "throws the driver's own error": withServer(async () => {
    throw Object.assign(new Error("connect ECONNREFUSED postgres://user:secret@db:5432"), { code: "ECONNREFUSED" });
  }),
  "throws no error at all": withServer(async () => {
    throw "503";
  }),
  "says that it is corrupt": withServer(async () => {
    throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", "no answer");
  }),
  "answers that there is nothing": withServer(async (context) => {
    if (context.name.startsWith("list")) return [];
    return context.name.startsWith("read") ? undefined : refused(context);
  }),
  "answers reads from a cache": withServer(async (context) =>
    /^(read|list)/.test(context.name) ? context.call() : refused(context),
  ),
  "acknowledges writes that it keeps for later": withServer(async (context) =>
    context.name.startsWith("write") ? undefined : refused(context),
  ),
  "takes an outage for a lost swap": withServer(async (context) =>
    context.name === "swapHead" ? undefined : refused(context),
  ),
  "takes an outage for a pair that exists": withServer(async (context) =>
    context.name.startsWith("create") ? "exists" : refused(context),
  ),
  "takes an outage for a pair that is not there": withServer(async (context) =>
    context.name === "removeKeyPair" ? false : refused(context),
  ),
  hangs: withServer(() => never()),
  "hangs in one call": withServer((context) => (context.name === "listWrappings" ? never() : refused(context))),
  "lets nobody leave a call that hangs": withServer(async () =>
    boundedCall(never, { deadline }).catch(() => {
      throw away();
    }),
  ),
  "rejects with its own error for one who leaves": withServer(async (context) =>
    correct(context).catch((error: unknown) => {
      throw error instanceof StoreError ? error : new DOMException("aborted", "AbortError");
    }),
  ),
  "never comes back": withServer(refused, refused),
  "comes back for reads only": withServer(refused, async (context) =>
    /^(read|list)/.test(context.name) ? context.call() : refused(context),
  ),
  "comes back empty": withServer(refused, async (context) =>
    context.name === "readHead" ? undefined : context.call(),
  ),
};
