/* Recordings of 1 KiB, bytes to bytes, one after the other: what a recording costs besides its bytes. */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import { benchKeyStore, privateKeyTtl } from "./shared/key-store.js";
import { byScale, interleaved, KiB, median, perSecond, repeated, speedRatios, spread } from "./shared/measure.js";
import { atLeast, counted, type Row, type Scale, type Subject } from "./shared/subject.js";

const recordingId = "recording-1";

/** What no recording does without: node:crypto's X25519 for a data key of its own, and its AES-GCM, once each. */
function bare(audio: Buffer): { encrypt: () => unknown; decrypt: () => unknown } {
  const options = { authTagLength: 16 } as const;
  const recipient = generateKeyPairSync("x25519");
  // Node 20 can hang for good where the JWK of a key is asked for that it has made itself.
  const imported = createPublicKey({
    key: recipient.publicKey.export({ type: "spki", format: "der" }),
    type: "spki",
    format: "der",
  });
  const jwk = { key: imported.export({ format: "jwk" }), format: "jwk" } as const;
  const iv = randomBytes(12);
  // As a key object each time: bytes would cost Node 24 some 30 µs more.
  const agreed = (...keys: Parameters<typeof diffieHellman>) => createSecretKey(diffieHellman(...keys));
  const cipher = createCipheriv("aes-256-gcm", agreed(recipient), iv, options);
  const [ciphertext, tag] = [Buffer.concat([cipher.update(audio), cipher.final()]), cipher.getAuthTag()];
  return {
    encrypt: () => {
      const ephemeral = generateKeyPairSync("x25519");
      const once = createCipheriv(
        "aes-256-gcm",
        agreed({ privateKey: ephemeral.privateKey, publicKey: recipient.publicKey }),
        randomBytes(12),
        options,
      );
      return [once.update(audio), once.final(), once.getAuthTag()];
    },
    decrypt: () => {
      const once = createDecipheriv(
        "aes-256-gcm",
        agreed({ privateKey: recipient.privateKey, publicKey: createPublicKey(jwk) }),
        iv,
        options,
      ).setAuthTag(tag);
      return [once.update(ciphertext), once.final()];
    },
  };
}

async function run(scale: Scale): Promise<Row[]> {
  const count = byScale(scale, { quick: 100, default: 10_000, full: 50_000 });
  const rounds = byScale(scale, { quick: 1, default: 5, full: 9 });
  const { keyStore, kms } = await benchKeyStore();
  const start = performance.now();
  const audio = randomBytes(KiB);
  let bodies: Uint8Array[] = [];
  const calls = { encrypt: 0, decrypt: 0 };
  const callsOf = (name: keyof typeof calls, task: () => Promise<void>) => async () => {
    const before = kms.journal.count();
    await task();
    calls[name] += kms.journal.count() - before;
  };
  const floor = bare(audio);
  const took = await interleaved(rounds, {
    bareEncrypt: repeated(count, floor.encrypt),
    encrypt: callsOf("encrypt", async () => {
      const made: Uint8Array[] = [];
      for (let index = 0; index < count; index += 1)
        made.push((await keyStore.encryptRecording(audio, { recordingId })).body);
      bodies = made;
    }),
    bareDecrypt: repeated(count, floor.decrypt),
    // In a round that begins with decryption there are the recordings of the round before.
    decrypt: callsOf("decrypt", async () => {
      for (const body of bodies) await keyStore.decryptRecording(body, { recordingId });
    }),
  });
  const allowed = 1 + Math.floor((performance.now() - start) / privateKeyTtl);
  await keyStore.close();
  const recordings = count * (rounds + 1);
  const row = (name: "encrypt" | "decrypt", floorTimes: number[], limit: number): Row => {
    const rates = perSecond(count, took[name]);
    const ratios = speedRatios(took[name], floorTimes);
    const against = `${spread(ratios)} of bare node:crypto, ${spread(perSecond(count, floorTimes), 0)} per second`;
    return {
      what: `${name} 1 KiB, key warm`,
      figure: `${spread(rates, 0)} recordings per second`,
      against,
      promise: atLeast(median(ratios), limit),
    };
  };
  const callsRow = (name: "encrypt" | "decrypt", promise: Row["promise"]): Row => ({
    what: `KMS calls to ${name} ${recordings.toLocaleString("en-US")} recordings`,
    figure: `${calls[name]}, ${(calls[name] / recordings).toLocaleString("en-US", { maximumFractionDigits: 6 })} per recording`,
    ...(promise ? { promise } : {}),
  });
  return [
    row("encrypt", took.bareEncrypt, 0.4),
    row("decrypt", took.bareDecrypt, 0.3),
    callsRow("encrypt", counted("0", calls.encrypt === 0)),
    callsRow("decrypt", counted("1 per `privateKeyTtl`", calls.decrypt <= allowed)),
  ];
}

export const smallRecordings: Subject = {
  title: "Small recordings and KMS calls",
  about:
    "Recordings of 1 KiB as bytes, one after the other on one core, through the real KMS client on an in-memory KMS whose every call is counted. Each has a data key of its own: bare node:crypto makes (or imports) an X25519 key, agrees on a secret and encrypts (or decrypts) 1 KiB with it, and nothing else.",
  run,
};
