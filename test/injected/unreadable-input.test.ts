import { describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../src/aws.js";
import { answerRecordingRequest, recordingResponse } from "../../src/http/index.js";
import {
  bytesSource,
  inspectRecording,
  RecordingKeyStore,
  RecordingKeyStoreRegistry,
  type RecordingKeyStoreOptions,
} from "../../src/index.js";
import {
  checkKeyPolicy,
  recordingKeyPolicy,
  recordingKeyStatements,
  recordingRolePolicy,
} from "../../src/key-policy/index.js";
import { fileSource, httpSource } from "../../src/sources/index.js";
import { s3Source } from "../../src/sources/s3.js";
import { FileKeyPairStore, FileLastConfirmedStore } from "../../src/stores/file.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore } from "../../src/testing/index.js";
import { audio, configuration, organization, recording } from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";

expectNothingUnhandled();

const fail = () => {
  throw new TypeError("must not be read");
};
const traps = { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail, getOwnPropertyDescriptor: fail };

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** Objects that nobody can read. */
const unreadable: readonly { readonly name: string; readonly make: () => unknown }[] = [
  { name: "a revoked proxy", make: () => revoked({}) },
  { name: "a revoked proxy of a list", make: () => revoked([]) },
  { name: "a proxy whose traps throw", make: () => new Proxy({}, traps) },
  { name: "a proxy of a list whose traps throw", make: () => new Proxy([], traps) },
];

/** Expects a call to fail with an InvalidInputError, and one that gives a promise not to throw. */
async function expectRefused(call: () => unknown, promises: boolean, what: string): Promise<void> {
  let failure: unknown;
  let thrown = false;
  try {
    const result = call();
    thrown = false;
    failure = await (async () => result)().then(
      () => "no failure",
      (error: unknown) => error,
    );
  } catch (error) {
    thrown = true;
    failure = error;
  }
  expect(failure, what).toMatchObject({ name: "InvalidInputError", code: "ERR_INVALID_INPUT" });
  if (promises) expect(thrown, `${what} throws, and should reject`).toBe(false);
}

type Make = (options: never) => unknown;

const store = new MemoryKeyPairStore();
const kms = new InMemoryKmsProvider(new InMemoryKms());
const needed: RecordingKeyStoreOptions = { organizationId: "org-1", homeRegion: "eu-central-1", kms, store };
const grant = { serviceAccountId: "765628985471", organizationIds: ["org-1"] };
const s3 = { client: { send: async () => ({}) }, bucket: "b", key: "k" };

/** What takes options: what it needs, and all that it knows. */
const makers: readonly { name: string; make: Make; needed: object; known: readonly string[]; promises?: boolean }[] = [
  {
    name: "RecordingKeyStore",
    make: (options) => new RecordingKeyStore(options),
    needed,
    known: [
      "organizationId homeRegion kms store trustedKmsKeys embeddedKeys decryptRegions contextKeyName lastConfirmed fleetSecret",
      "requireConfirmedKey maxLastConfirmedAge privateKeyTtl confirmEvery confirmTimeout kmsTimeout storeTimeout headTtl",
      "background selfContained clock",
    ].flatMap((names) => names.split(" ")),
  },
  {
    name: "RecordingKeyStoreRegistry",
    make: (options) => new RecordingKeyStoreRegistry(options),
    needed: { homeRegion: "eu-central-1", kms, store },
    known:
      "kms store resolveOrganization resolveTimeout maxIdleKeyStores maxPrivateKeys kmsCallsPerRegion fleetSecret".split(
        " ",
      ),
  },
  {
    name: "AwsKmsProvider",
    make: (options) => new AwsKmsProvider(options),
    needed: {},
    known: ["client", "attemptTimeout", "deadline", "keyPairDeadline"],
  },
  {
    name: "FileKeyPairStore",
    make: (options) => new FileKeyPairStore(options),
    needed: { directory: "/nowhere" },
    known: ["directory", "hostDirectory"],
  },
  {
    name: "FileLastConfirmedStore",
    make: (options) => new FileLastConfirmedStore(options),
    needed: { directory: "/nowhere" },
    known: ["directory"],
  },
  {
    name: "httpSource",
    make: (options) => httpSource("https://host.invalid/r", options),
    needed: {},
    known: ["fetch", "headers", "maxRedirects", "signal", "attempts", "attemptTimeout", "deadline"],
    promises: true,
  },
  {
    name: "s3Source",
    make: (options) => s3Source(options),
    needed: s3,
    known: ["client", "bucket", "key", "versionId", "expectedBucketOwner", "signal", "attempts", "deadline"],
    promises: true,
  },
  {
    name: "inspectRecording",
    make: (options) => inspectRecording(audio, options),
    needed: {},
    known: ["signal"],
    promises: true,
  },
  {
    name: "checkKeyPolicy",
    make: (options) => checkKeyPolicy("{}", options),
    needed: grant,
    known: ["serviceAccountId", "servicePrincipalArns", "organizationIds", "contextKeyName", "access", "kmsKeyArn"],
  },
  {
    name: "recordingKeyStatements",
    make: (options) => recordingKeyStatements(options),
    needed: grant,
    known: ["serviceAccountId", "servicePrincipalArns", "organizationIds", "contextKeyName", "access", "partition"],
  },
  {
    name: "recordingKeyPolicy",
    make: (options) => recordingKeyPolicy(options),
    needed: { accountId: "111122223333", grants: [grant] },
    known: ["accountId", "grants", "partition"],
  },
  {
    name: "recordingRolePolicy",
    make: (options) => recordingRolePolicy(options),
    needed: {},
    known: ["access", "kmsKeyArns", "partition"],
  },
];

describe.each(makers)("$name", ({ make, needed: least, known, promises = false }) => {
  it.each(unreadable)("refuses $name in the place of its options", async ({ make: odd, name }) => {
    await expectRefused(() => make(odd() as never), promises, name);
  });

  it.each(known)("refuses what can't be read as %s", async (option) => {
    for (const { name, make: odd } of unreadable)
      await expectRefused(() => make({ ...least, [option]: odd() } as never), promises, name);
    const throwing = Object.defineProperty({ ...least }, option, { get: fail, enumerable: true, configurable: true });
    await expectRefused(() => make(throwing as never), promises, "a getter that throws");
  });
});

it("a grant that can't be read is refused among others", async () => {
  for (const { name, make } of unreadable) {
    const options = { accountId: "111122223333", grants: [grant, make() as typeof grant] };
    await expectRefused(() => recordingKeyPolicy(options), false, name);
  }
});

describe("a method of a key store", () => {
  type Method = (keyStore: RecordingKeyStore, odd: never) => unknown;
  const withOptions: Readonly<Record<string, Method>> = {
    test: (keyStore, odd) => keyStore.test(configuration, odd),
    "test of a configuration": (keyStore, odd) => keyStore.test(odd),
    configure: (keyStore, odd) => keyStore.configure(configuration, odd),
    "configure with a configuration": (keyStore, odd) => keyStore.configure(odd),
    rotate: (keyStore, odd) => keyStore.rotate(odd),
    rotateIfDue: (keyStore, odd) => keyStore.rotateIfDue(odd),
    confirm: (keyStore, odd) => keyStore.confirm(odd),
    encryptRecording: (keyStore, odd) => keyStore.encryptRecording(audio, odd),
    "encryptRecording of an input": (keyStore, odd) => keyStore.encryptRecording(odd, recording),
    decryptRecording: (keyStore, odd) => keyStore.decryptRecording(audio, odd),
    "decryptRecording of an input": (keyStore, odd) => keyStore.decryptRecording(odd, recording),
    salvageRecording: (keyStore, odd) => keyStore.salvageRecording(audio, odd),
    "salvageRecording of an input": (keyStore, odd) => keyStore.salvageRecording(odd, recording),
    openRecording: (keyStore, odd) => keyStore.openRecording(bytesSource(audio), odd),
    "openRecording of a source": (keyStore, odd) => keyStore.openRecording(odd, recording),
    readMetadata: (keyStore, odd) => keyStore.readMetadata(audio, odd),
    "readMetadata of an input": (keyStore, odd) => keyStore.readMetadata(odd, recording),
    encryptFile: (keyStore, odd) => keyStore.encryptFile("/nowhere/in", "/nowhere/out", odd),
    "encryptFile from a path": (keyStore, odd) => keyStore.encryptFile(odd, "/nowhere/out", recording),
    decryptFile: (keyStore, odd) => keyStore.decryptFile("/nowhere/in", "/nowhere/out", odd),
    "decryptFile to a path": (keyStore, odd) => keyStore.decryptFile("/nowhere/in", odd, recording),
    encryptedSize: (keyStore, odd) => keyStore.encryptedSize(100, odd),
    "encryptedSize of a size": (keyStore, odd) => keyStore.encryptedSize(odd, recording),
    status: (keyStore, odd) => keyStore.status(odd),
    keyPairs: (keyStore, odd) => keyStore.keyPairs(odd),
    rewrapKeyPairs: (keyStore, odd) => keyStore.rewrapKeyPairs(odd),
    removeOrphanedKeyPairs: (keyStore, odd) => keyStore.removeOrphanedKeyPairs(odd),
    acceptRestoredStore: (keyStore, odd) => keyStore.acceptRestoredStore(odd),
    replaceUntrustedHead: (keyStore, odd) => keyStore.replaceUntrustedHead(odd),
    close: (keyStore, odd) => keyStore.close(odd),
  };

  it.each(Object.entries(withOptions))("refuses what can't be read: %s", async (_name, method) => {
    const { warm } = await organization({ background: false });
    for (const { name, make } of unreadable) await expectRefused(() => method(warm, make() as never), true, name);
  });

  it.each(["recordingId", "asset", "signal", "metadata", "publicMetadata", "segmentSize", "threads"])(
    "refuses an option that can't be read: %s",
    async (option) => {
      const { warm } = await organization({ background: false });
      for (const { name, make } of unreadable)
        await expectRefused(() => warm.encryptRecording(audio, { ...recording, [option]: make() }), true, name);
      const throwing = Object.defineProperty({ ...recording }, option, { get: fail, enumerable: true });
      await expectRefused(() => warm.encryptRecording(audio, throwing), true, "a getter that throws");
    },
  );

  it("refuses metadata with something in it that can't be read", async () => {
    const { warm } = await organization({ background: false });
    for (const { name, make } of unreadable)
      for (const field of ["metadata", "publicMetadata"])
        await expectRefused(
          () => warm.encryptRecording(audio, { ...recording, [field]: { inner: [make()] } }),
          true,
          `${name} in ${field}`,
        );
  });

  it("refuses permissions and listeners that can't be read", async () => {
    const { warm } = await organization();
    for (const { name, make } of unreadable) {
      await expectRefused(() => warm.administration(make() as never), false, name);
      await expectRefused(() => warm.on(make() as never, () => undefined), false, name);
      await expectRefused(() => warm.on("keyPairChanged", make() as never), false, name);
    }
  });

  it("is one of an open reader, too", async () => {
    const { warm, body } = await organization();
    const reader = await warm.openRecording(bytesSource(body), recording);
    for (const { name, make } of unreadable) {
      const odd = make() as never;
      await expectRefused(() => reader.read(0, 1, odd), true, name);
      await expectRefused(() => reader.read(odd, 1), true, name);
      await expectRefused(() => reader.read(0, 1, { signal: odd }), true, name);
      await expectRefused(() => reader.stream(odd), false, name);
      await expectRefused(() => reader.stream({ start: odd }), false, name);
      await expectRefused(() => reader.stream({ signal: odd }), false, name);
    }
    await reader.close();
  });
});

describe("a method of a registry", () => {
  it.each(unreadable)("refuses $name", async ({ name, make }) => {
    const keyStores = new RecordingKeyStoreRegistry({ homeRegion: "eu-central-1", kms, store });
    const odd = make() as never;
    await expectRefused(() => keyStores.for(odd), true, name);
    await expectRefused(() => keyStores.for("org-1", odd), true, name);
    await expectRefused(() => keyStores.release("org-1", odd), true, name);
    await expectRefused(() => keyStores.close(odd), true, name);
    await expectRefused(() => keyStores.on("keyPairChanged", odd), false, name);
    await keyStores.close();
  });
});

describe("what reads a recording", () => {
  it.each(unreadable)("refuses $name", async ({ name, make }) => {
    const odd = make() as never;
    await expectRefused(() => bytesSource(odd), false, name);
    await expectRefused(() => fileSource(odd), true, name);
    await expectRefused(() => httpSource(odd), true, name);
    await expectRefused(() => inspectRecording(odd), true, name);
    await expectRefused(() => checkKeyPolicy(odd, grant), false, name);
  });
});

describe("an answer to a request", () => {
  const request = { method: "GET", header: () => undefined };
  const web = { method: "GET", headers: new Headers() };
  const options = { contentType: "audio/wav" };

  it.each(unreadable)("is refused for $name", async ({ name, make }) => {
    const { warm, body } = await organization();
    const reader = await warm.openRecording(bytesSource(body), recording);
    const odd = make() as never;
    await expectRefused(() => answerRecordingRequest(request, odd, options), true, name);
    await expectRefused(() => answerRecordingRequest(request, reader, odd), true, name);
    await expectRefused(() => answerRecordingRequest(request, reader, { ...options, headers: odd }), true, name);
    await expectRefused(() => recordingResponse(odd, web, options), true, name);
    await expectRefused(() => recordingResponse(reader, odd, options), true, name);
    await expectRefused(() => recordingResponse(reader, web, odd), true, name);
    await reader.close();
  });
});
