import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { kmsError } from "../../src/kms/failures.js";
import type { EncryptionContext, KmsProvider } from "../../src/kms/kms-provider.js";
import { RecordingKeyStore } from "../../src/recording-key-store.js";
import { FileKeyPairStore } from "../../src/stores/file.js";

/*
 * What the processes of `rotation-processes.test.ts` do. All share one KMS key, which stands here as a key known to all:
 * the subject is what happens to key pairs when processes race and die.
 */
const keyArn = "arn:aws:kms:eu-west-1:111122223333:key/1";
export const kmsKeyAliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";
const key = createHash("sha256").update("the organization's KMS key").digest();
const aad = (context: EncryptionContext) => Buffer.from(JSON.stringify(Object.entries(context).sort()));

export const kms: KmsProvider = {
  describeKey: async () => ({ keyArn, enabled: true, keyState: "Enabled", keySpec: "SYMMETRIC_DEFAULT", keyUsage: "ENCRYPT_DECRYPT" }),
  async encrypt({ plaintext, encryptionContext }) {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(aad(encryptionContext));
    return { keyArn, ciphertext: Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
  },
  async decrypt({ ciphertext, encryptionContext }) {
    const bytes = Buffer.from(ciphertext);
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 }).setAAD(aad(encryptionContext));
    decipher.setAuthTag(bytes.subarray(-16));
    try {
      return { keyArn, plaintext: Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]) };
    } catch {
      throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "the ciphertext was changed" });
    }
  },
  generateDataKeyPair: () => Promise.reject(kmsError("key-unsupported", { operation: "GenerateDataKeyPair", message: "not here" })),
};

let now = Date.UTC(2026, 0, 1);
const clock = { now: () => now, monotonic: () => performance.now() };

export function open(directory: string): RecordingKeyStore {
  return new RecordingKeyStore({ organizationId: "org-1", homeRegion: "eu-west-1", kms, store: new FileKeyPairStore({ directory }), clock, background: false, headTtl: 0 });
}

const [role, directory = ""] = process.argv.slice(2);
// Synchronous: a line that the parent has read was acknowledged before the kill.
const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Changes the key for ever, and says each new pair together with a recording made with it. */
async function rotate(): Promise<void> {
  const keyStore = open(directory);
  for (;;) {
    const { keyPairId } = await keyStore.rotate();
    const { body, keyPairId: used } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r" });
    say(`${keyPairId} ${used} ${Buffer.from(body).toString("base64")}`);
  }
}

/** At each time that it is told, changes the key if that is due, and says which pair it then has. */
async function race(): Promise<void> {
  const keyStore = open(directory);
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    now = Number(line);
    const { keyPair } = await keyStore.rotateIfDue();
    say(keyPair.keyPairId);
  }
}

if (role === "rotate") void rotate();
else if (role === "race") void race();
