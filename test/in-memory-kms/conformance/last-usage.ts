import { expect } from "vitest";
import { keyOf, type Input, type Row } from "./row.js";

const Plaintext = Buffer.from("x");
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const operation = "GetKeyLastUsage";
const source = "documented";

/** After some call with a new key. */
const after = (
  situation: string,
  call: (send: Parameters<Row["input"]>[1], KeyId: string) => Promise<unknown>,
  output: NonNullable<Row["output"]>,
): Row => ({
  ...{ operation, situation, source, output },
  input: async (w, send) => {
    const KeyId = w.kms.createKey(w.inAccount);
    await call(send, KeyId);
    return { KeyId };
  },
});

export const lastUsageRows: readonly Row[] = [
  after(
    "of a key that was never used",
    () => Promise.resolve(),
    ({ KeyCreationDate, TrackingStartDate, ...rest }, _world, { KeyId }) => {
      expect(rest).toEqual({ KeyId: (KeyId as string).split("/")[1], KeyLastUsage: {} });
      expect(KeyCreationDate).toBeInstanceOf(Date);
      expect(TrackingStartDate).toEqual(KeyCreationDate);
    },
  ),
  after(
    "after an encryption",
    (send, KeyId) => send("Encrypt", { KeyId, Plaintext }),
    ({ KeyLastUsage }, { clock, kms }) => {
      const { Timestamp, ...usage } = KeyLastUsage as Input;
      expect(new Date(Timestamp as Date).getTime()).toBe(clock.now());
      expect(usage).toEqual({
        Operation: "Encrypt",
        KmsRequestId: kms.journal.calls({ operation: "Encrypt" }).at(-1)?.requestId,
        CloudTrailEventId: expect.stringMatching(uuid) as string,
      });
    },
  ),
  after(
    "after a call that failed, and one that only asked",
    async (send, KeyId) => {
      const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext });
      await send("Decrypt", { CiphertextBlob, EncryptionContext: { other: "context" } }).catch(() => {});
      await send("Encrypt", { KeyId, Plaintext, DryRun: true }).catch(() => {});
      await send("DescribeKey", { KeyId });
    },
    ({ KeyLastUsage }, { kms }) => {
      const [encrypted] = kms.journal.calls({ operation: "Encrypt", outcome: "ok" }).slice(-1);
      expect(KeyLastUsage).toMatchObject({ Operation: "Encrypt", KmsRequestId: encrypted?.requestId });
    },
  ),
  {
    ...{ operation, source },
    situation: "of both keys of a ReEncrypt",
    input: async (w, send) => {
      const [KeyId, DestinationKeyId] = [w.kms.createKey(w.inAccount), w.kms.createKey(w.inAccount)];
      const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext });
      await send("ReEncrypt", { CiphertextBlob, DestinationKeyId });
      return { KeyId, other: DestinationKeyId };
    },
    output: async ({ KeyLastUsage }, _world, { other }, send) => {
      const destination = await send("GetKeyLastUsage", { KeyId: other });
      expect(KeyLastUsage).toMatchObject({ Operation: "ReEncrypt" });
      expect(destination["KeyLastUsage"]).toMatchObject({ Operation: "ReEncrypt" });
      const eventId = (usage: unknown) => (usage as Input)["CloudTrailEventId"];
      expect(eventId(KeyLastUsage)).not.toBe(eventId(destination["KeyLastUsage"]));
    },
  },
  {
    ...{ operation, source },
    situation: "of an asymmetric key after a signature",
    input: async (w, send) => {
      const KeyId = keyOf(w, "ECC_NIST_P256", "SIGN_VERIFY");
      await send("Sign", { KeyId, Message: Plaintext, SigningAlgorithm: "ECDSA_SHA_256" });
      await send("GetPublicKey", { KeyId });
      return { KeyId };
    },
    output: ({ KeyLastUsage }) => expect(KeyLastUsage).toMatchObject({ Operation: "Sign" }),
  },
  {
    ...{ operation, source },
    situation: "by an alias",
    input: () => ({ KeyId: "alias/recordings" }),
    error: ["InvalidArnException", /./],
  },
  {
    ...{ operation, source },
    situation: "of another account's key",
    as: "service",
    input: (w) => ({ KeyId: w.key }),
    error: ["AccessDeniedException", /is not authorized to perform: kms:GetKeyLastUsage/],
  },
];
