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
const mlKem = (type: string) => () =>
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
  ML_KEM_512: mlKem("ml-kem-512"),
  ML_KEM_768: mlKem("ml-kem-768"),
  ML_KEM_1024: mlKem("ml-kem-1024"),
} as const satisfies Record<string, () => Promise<Pair | undefined>>;

/** Specs of the service model. */
export const keyPairSpecs = Object.keys(makers);

interface EncodedPair {
  publicKey: Buffer;
  privateKey: Buffer;
}

/** Makes a key pair, as SPKI and PKCS#8 DER. @param region - the service makes SM2 in its Chinese Regions only */
export async function makeDataKeyPair(spec: string, region: string): Promise<EncodedPair> {
  if (spec === "SM2" && !region.startsWith("cn-"))
    throw unsupported("Data key pairs of spec SM2 are made in the Regions of China only.");
  const pair: Pair | undefined = await makers[spec as keyof typeof makers]();
  if (!pair) throw unsupported(`This version of Node cannot make data key pairs of spec ${spec}.`);
  return {
    publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "der" }),
  };
}
