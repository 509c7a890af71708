import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { unsupported } from "./aws-error.js";

const generate = promisify(generateKeyPair);

interface Pair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

const rsa = (modulusLength: number) => () => generate("rsa", { modulusLength, publicExponent: 0x10001 });
const curve = (namedCurve: string) => () => generate("ec", { namedCurve });
/** Only newer versions of Node know these, and the oldest one's types lack their names. */
const postQuantum = (type: string) => () =>
  generate(type as "x25519").catch((error: unknown) => {
    if ((error as { code?: unknown }).code === "ERR_INVALID_ARG_VALUE") return undefined;
    throw error;
  });

const makers = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: curve("prime256v1"),
  ECC_NIST_P384: curve("secp384r1"),
  ECC_NIST_P521: curve("secp521r1"),
  ECC_SECG_P256K1: curve("secp256k1"),
  ECC_NIST_EDWARDS25519: () => generate("ed25519"),
  SM2: curve("SM2"),
  ML_KEM_512: postQuantum("ml-kem-512"),
  ML_KEM_768: postQuantum("ml-kem-768"),
  ML_KEM_1024: postQuantum("ml-kem-1024"),
  ML_DSA_44: postQuantum("ml-dsa-44"),
  ML_DSA_65: postQuantum("ml-dsa-65"),
  ML_DSA_87: postQuantum("ml-dsa-87"),
} as const satisfies Record<string, () => Promise<Pair | undefined>>;

/** Specs of data key pairs in the service model. ML-DSA is for keys only. */
export const keyPairSpecs = Object.keys(makers).filter((spec) => !spec.startsWith("ML_DSA_"));

interface EncodedPair {
  readonly publicKey: Buffer;
  readonly privateKey: Buffer;
}

/** Makes the key pairs of keys and data keys, as SPKI and PKCS#8 DER. */
export class DataKeyPairs {
  readonly #pooled: boolean;
  readonly #taken = new Map<string, number>();

  /** @param pooled - whether RSA pairs come from the process's pool, in which no one taker finds a pair twice */
  constructor(pooled: boolean) {
    this.#pooled = pooled;
  }

  /** @param region - the service makes SM2 in its Chinese Regions only */
  async make(spec: string, region: string): Promise<EncodedPair> {
    if (spec === "SM2" && !region.startsWith("cn-"))
      throw unsupported("Key pairs of spec SM2 are made in the Regions of China only.");
    if (!this.#pooled || !spec.startsWith("RSA_")) return encodedPair(spec);
    const index = this.#taken.get(spec) ?? 0;
    this.#taken.set(spec, index + 1);
    return fromPool(spec, index);
  }
}

/** RSA pairs of this process, in the order in which they were asked for: seconds of work each. */
const pool = new Map<string, Promise<EncodedPair>[]>();

async function fromPool(spec: string, index: number): Promise<EncodedPair> {
  const pairs = pool.get(spec) ?? [];
  pool.set(spec, pairs);
  const { publicKey, privateKey } = await (pairs[index] ??= encodedPair(spec));
  return { publicKey: Buffer.from(publicKey), privateKey: Buffer.from(privateKey) };
}

async function encodedPair(spec: string): Promise<EncodedPair> {
  const pair: Pair | undefined = await makers[spec as keyof typeof makers]();
  if (!pair) throw unsupported(`This version of Node cannot make key pairs of spec ${spec}.`);
  return {
    publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "der" }),
  };
}
