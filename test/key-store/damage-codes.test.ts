import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { bytesSource, RecordingKeyStore, type KeyPairStore, type KmsProvider } from "../../src/index.js";
import { encodeHeader, decodeHeader } from "../../src/format/header.js";
import {
  createTestKeyStore,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
} from "../../src/testing/index.js";
import { atLength, effort } from "../support/effort.js";
import { overridden } from "../support/setup.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const accountId = "111122223333";
const segmentLength = 4_096 + 32;
const { folder, remove } = await temporaryFolder();
afterAll(remove);

const parts = await createTestKeyStore({ embeddedKeys: [accountId] });
const { keyStore, kms, kmsKeyAliasArn, kmsKeyArn, clock } = parts;
const principal = kms.addPrincipal({
  arn: "arn:aws:iam::765628985471:role/recording",
  identityPolicy: "administrator",
});
const provider = () => new InMemoryKmsProvider(kms, principal);
const host = (store: KeyPairStore, more: { kms?: KmsProvider; embeddedKeys?: string[] } = {}) =>
  new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "us-east-1",
    kms: provider(),
    store,
    trustedKmsKeys: [accountId],
    lastConfirmed: new MemoryLastConfirmedStore(),
    confirmTimeout: 0,
    background: false,
    clock,
    ...more,
  });
/** Opens recordings by the keys they carry. */
const bare = host(new MemoryKeyPairStore(), { embeddedKeys: [accountId] });

const options = { recordingId: "r" };
const recordingOf = async (size: number) =>
  Buffer.from(
    (
      await keyStore.encryptRecording(randomBytes(size), {
        ...options,
        segmentSize: segmentLength - 32,
        publicMetadata: { codec: "opus" },
        metadata: { from: "+49 30 1234567" },
      })
    ).body,
  );

async function drain(body: AsyncIterable<unknown>): Promise<number> {
  let pieces = 0;
  for await (const piece of body) pieces += piece ? 1 : 0;
  return pieces;
}

/** Every way of opening the whole of a recording. */
const doors: Readonly<Record<string, (owner: RecordingKeyStore, bytes: Buffer) => Promise<unknown>>> = {
  bytes: (owner, bytes) => owner.decryptRecording(bytes, options),
  Readable: async (owner, bytes) => drain((await owner.decryptRecording(Readable.from([bytes]), options)).body),
  "web stream": async (owner, bytes) =>
    drain((await owner.decryptRecording(new Blob([Uint8Array.from(bytes)]).stream(), options)).body),
  reader: async (owner, bytes) => {
    await using reader = await owner.openRecording(bytesSource(bytes), options);
    await reader.read(0, reader.size);
  },
  file: async (owner, bytes) => {
    await writeFile(join(folder, "in"), bytes);
    await rm(join(folder, "out"), { force: true });
    await owner.decryptFile(join(folder, "in"), join(folder, "out"), options);
  },
};

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "opened",
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );

/** The one code of a damaged recording, whichever door it comes through. */
async function onlyCode(bytes: Buffer, what: string, owner = keyStore): Promise<string> {
  const codes: Record<string, string> = {};
  for (const [door, open] of Object.entries(doors)) codes[door] = await codeOf(open(owner, bytes));
  const [first = ""] = Object.values(codes);
  expect(codes, what).toEqual(Object.fromEntries(Object.keys(doors).map((door) => [door, first])));
  return first;
}

const flip = (bytes: Uint8Array, bit: number) => {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};
const preambleOf = (recording: Buffer) => 12 + recording.readUInt32BE(8) + 106 + 256 + 74;

describe("a damaged recording has the same code through every door, and never ERR_INVALID_INPUT", () => {
  it("at every bit before the first segment", async () => {
    const recording = await recordingOf(100);
    for (let bit = 0; bit < preambleOf(recording) * 8; bit += effort(atLength(29, 101), 197)) {
      for (const owner of [keyStore, bare]) {
        const code = await onlyCode(flip(recording, bit), `bit ${bit}`, owner);
        expect(code, `bit ${bit}`).toMatch(/^ERR_(FORMAT|RECORDING|KMS_RE(JECT|FUS)ED|KEY_PAIR)/);
      }
    }
  });

  it.each([
    ["of a short last segment", 2 * (segmentLength - 32) + 5],
    ["of a full last segment", 3 * (segmentLength - 32)],
    ["of a last segment that is nearly full", 3 * (segmentLength - 32) - 20],
    ["of one segment", 40],
    ["of nothing", 0],
  ])("at its end, %s", async (_, size) => {
    const recording = await recordingOf(size);
    const start = preambleOf(recording);
    const last = start + (Math.max(1, Math.ceil(size / (segmentLength - 32))) - 1) * segmentLength;
    const beyond = [1, 2, 4, 12, 31, 32, 33, 100, segmentLength - 1, segmentLength, segmentLength + 1];
    for (const length of [...beyond, 5 * segmentLength, 5 * segmentLength + 7]) {
      for (const byte of [0, 1, 0x20, 0xff]) {
        const more = Buffer.alloc(length, byte);
        expect(await onlyCode(Buffer.concat([recording, more]), `${length} times ${byte} more`)).toBe(
          "ERR_RECORDING_TAMPERED",
        );
      }
      expect(await onlyCode(Buffer.concat([recording, randomBytes(length)]), `${length} more`)).toBe(
        "ERR_RECORDING_TAMPERED",
      );
      if (length > recording.length - start) continue;
      const cut = recording.subarray(0, recording.length - length);
      expect(await onlyCode(cut, `${length} less`)).toBe("ERR_RECORDING_TRUNCATED");
    }
    for (const twice of [recording, recording.subarray(last), recording.subarray(start)])
      expect(await onlyCode(Buffer.concat([recording, twice]), "twice")).toBe("ERR_RECORDING_TAMPERED");
    for (let bit = 0; bit < 32; bit += 1) await onlyCode(flip(recording, last * 8 + bit), `bit ${bit} of the length`);
    for (const length of [0, 1, 31, 32, segmentLength - 1, segmentLength, segmentLength + 1, 0xfffffffe, 0xffffffff]) {
      const claims = Buffer.from(recording);
      claims.writeUInt32BE(length, last);
      await onlyCode(claims, `a length of ${length}`);
    }
  });

  it("at bits of the segments", async () => {
    const recording = await recordingOf(2 * segmentLength);
    for (let bit = preambleOf(recording) * 8; bit < recording.length * 8; bit += effort(atLength(499, 1_999), 4_999))
      expect(await onlyCode(flip(recording, bit), `bit ${bit}`)).toMatch(/^ERR_RECORDING_T/);
  });
});

describe("what is wrong with the keys that a recording carries is no outage", () => {
  it("where a private half is not of KMS's length, or not a private key", async () => {
    const recording = await recordingOf(10);
    const header = decodeHeader(recording.subarray(0, 12 + recording.readUInt32BE(8)));
    const [recipient] = header.recipients;
    const withHalf = (wrappedPrivateKey: Uint8Array, kmsArn = kmsKeyArn) =>
      encodeHeader({ ...header, recipients: [{ ...recipient!, wrappedPrivateKey, kmsKeyArn: kmsArn }] });
    const own = recipient!.wrappedPrivateKey!;
    for (const half of [
      Buffer.alloc(0),
      Buffer.alloc(6_145),
      own.subarray(1),
      Buffer.concat([own, own]),
      Buffer.alloc(1),
    ])
      for (const arn of [kmsKeyArn, kmsKeyAliasArn, "", "arn:aws:kms"]) {
        const owner = host(new MemoryKeyPairStore(), { embeddedKeys: [accountId] });
        const error: unknown = await owner
          .decryptRecording(
            Buffer.concat([withHalf(half, arn), recording.subarray(12 + recording.readUInt32BE(8))]),
            options,
          )
          .catch((reason: unknown) => reason);
        expect(error, `${half.length} bytes under ${arn}`).toMatchObject({
          code: expect.stringMatching(/^ERR_(FORMAT_INVALID|KMS_REJECTED|KEY_PAIR_UNTRUSTED)$/) as string,
          retryable: false,
        });
      }
  });

  it("where KMS unwraps something of another length", async () => {
    const recording = await recordingOf(10);
    for (const length of [0, 31, 33, 4_096]) {
      const kmsOf = overriddenKms({
        decrypt: async ({ keyId }) => ({ keyArn: keyId, plaintext: Buffer.alloc(length) }),
      });
      const owner = host(new MemoryKeyPairStore(), { embeddedKeys: [accountId], kms: kmsOf });
      await expect(owner.decryptRecording(recording, options), `${length} bytes`).rejects.toMatchObject({
        code: "ERR_KEY_PAIR_UNTRUSTED",
        retryable: false,
      });
    }
  });
});

function overriddenKms(methods: Partial<KmsProvider>): KmsProvider {
  const inner = provider();
  return {
    describeKey: (...args) => inner.describeKey(...args),
    encrypt: (...args) => inner.encrypt(...args),
    decrypt: (...args) => inner.decrypt(...args),
    generateDataKeyPair: (...args) => inner.generateDataKeyPair(...args),
    ...methods,
  };
}

/** What an operator and a recorder may ask for. */
const calls: Readonly<Record<string, (owner: RecordingKeyStore, body: Uint8Array) => Promise<unknown>>> = {
  decrypt: (owner, body) => owner.decryptRecording(body, options),
  encrypt: (owner) => owner.encryptRecording(Buffer.from("a"), options),
  encryptedSize: (owner) => owner.encryptedSize(1, options),
  keyPairs: (owner) => owner.keyPairs(),
  status: (owner) => owner.status(),
  confirm: (owner) => owner.confirm(),
  rotate: (owner) => owner.rotate(),
  rewrap: (owner) => owner.rewrapKeyPairs(),
  orphans: (owner) => owner.removeOrphanedKeyPairs({ dryRun: true }),
  accept: (owner) => owner.acceptRestoredStore({ dryRun: true }),
  replace: (owner) => owner.replaceUntrustedHead({ dryRun: true }),
  configure: (owner) => owner.configure({ kmsKeyAliasArn }),
};

async function expectNoInvalidInput(owner: () => RecordingKeyStore, body: Uint8Array, what: string): Promise<void> {
  for (const [name, call] of Object.entries(calls))
    expect(await codeOf(call(owner(), body)), `${name}: ${what}`).toMatch(/^(opened|ERR_(?!INVALID_INPUT))/);
}

describe("damage in a store or in an answer of KMS is never ERR_INVALID_INPUT", async () => {
  const { body } = await keyStore.encryptRecording(Buffer.from("a"), options);
  await keyStore.rotate();
  const { store } = parts;
  const pairs = await store.listKeyPairs("org-1", { limit: 10 });
  /** Nothing is stored, so that every call meets the same. */
  const unwritable: Partial<KeyPairStore> = {
    swapHead: async (_, __, document) => ({ revision: "x", document }),
    createKeyPair: async () => "created",
    createWrapping: async () => "created",
    writeStatus: async () => undefined,
  };

  it("at bits of records and head", async () => {
    for (let bit = 0; bit < pairs[0]!.document.length * 8; bit += effort(atLength(293, 997), 1_999)) {
      const damage = (document: Uint8Array) => flip(document, bit % (document.length * 8));
      const damaged: readonly Partial<KeyPairStore>[] = [
        {
          readKeyPair: async (...args) => {
            const pair = await store.readKeyPair(...args);
            return pair && { ...pair, document: damage(pair.document) };
          },
          listKeyPairs: async (...args) =>
            (await store.listKeyPairs(...args)).map((pair) => ({ ...pair, document: damage(pair.document) })),
        },
        {
          readHead: async (...args) => {
            const head = await store.readHead(...args);
            return head && { ...head, document: damage(head.document) };
          },
        },
      ];
      for (const methods of damaged)
        await expectNoInvalidInput(() => host(overridden(store, { ...unwritable, ...methods })), body, `bit ${bit}`);
    }
  });

  it("in the places that a store lists", async () => {
    for (const wrong of [
      { keyPairId: "a b" },
      { keyPairId: "" },
      { keyPairId: "x".repeat(65) },
      { sequence: 0 },
      { sequence: -1 },
      { sequence: 2 ** 53 },
      { sequence: 0.5 },
    ]) {
      // The first page alone is wrong, so that the next one is asked for behind it.
      const listKeyPairs: KeyPairStore["listKeyPairs"] = async (organization, query, call) =>
        query.after ? store.listKeyPairs(organization, query, call) : [{ ...pairs[0]!, ...wrong }];
      await expectNoInvalidInput(
        () => host(overridden(store, { ...unwritable, listKeyPairs })),
        body,
        JSON.stringify(wrong),
      );
    }
  });

  it("in a record whose wrapped private half no header could hold", async () => {
    const withLongHalf = (document: Uint8Array) => {
      const content = JSON.parse(Buffer.from(document).toString()) as { wrapping: { ciphertext: string } };
      content.wrapping.ciphertext = Buffer.alloc(33_000).toString("base64");
      return Buffer.from(JSON.stringify(content));
    };
    const readKeyPair: KeyPairStore["readKeyPair"] = async (...args) => {
      const pair = await store.readKeyPair(...args);
      return pair && { ...pair, document: withLongHalf(pair.document) };
    };
    const owner = () => host(overridden(store, { ...unwritable, readKeyPair }));
    await expectNoInvalidInput(owner, body, "33,000 bytes");
    kms.faults.outage(); // a host that nobody has told anything may take an unconfirmed pair now
    await expect(owner().encryptRecording(Buffer.from("a"), options)).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
    });
    kms.faults.heal();
  });

  it("in ciphertexts of KMS that are longer than KMS makes them", async () => {
    for (const length of [6_145, 33_000, 66_000]) {
      const inner = provider();
      const padded = overriddenKms({
        encrypt: async (...args) => {
          const made = await inner.encrypt(...args);
          return {
            ...made,
            ciphertext: Buffer.concat([made.ciphertext, Buffer.alloc(length - made.ciphertext.length)]),
          };
        },
        decrypt: (request, call) => {
          const end = Buffer.from(request.ciphertext).findLastIndex((byte) => byte !== 0) + 1;
          return inner.decrypt({ ...request, ciphertext: request.ciphertext.subarray(0, end) }, call);
        },
      });
      const fresh = new MemoryKeyPairStore();
      const owner = host(fresh, { kms: padded });
      const code = await codeOf(
        owner.configure({ kmsKeyAliasArn }).then(() => owner.encryptRecording(Buffer.from("a"), options)),
      );
      expect(code, `${length} bytes`).toBe("ERR_TEST_FAILED");
    }
  });

  it("in any member of any answer of KMS", async () => {
    const values = [
      new Uint8Array(0),
      new Uint8Array(31),
      new Uint8Array(66_000),
      kmsKeyAliasArn,
      `${kmsKeyArn}x`,
      null,
      3,
    ];
    const inner = provider();
    for (const [method, member] of [
      ["encrypt", "keyArn"],
      ["encrypt", "ciphertext"],
      ["decrypt", "keyArn"],
      ["decrypt", "plaintext"],
      ["describeKey", "keyArn"],
    ] as const)
      for (const value of values) {
        const answer = async (...args: unknown[]) => {
          const call = inner[method] as (...given: unknown[]) => Promise<object>;
          return { ...(await call(...args)), [member]: value };
        };
        const lying = overriddenKms({ [method]: answer });
        const owner = () => host(overridden(store, unwritable), { kms: lying });
        await expectNoInvalidInput(owner, body, `${method} ${member} ${String(value).slice(0, 40)}`);
      }
  });
});
