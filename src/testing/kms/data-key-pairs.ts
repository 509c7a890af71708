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

const makers: Record<string, (() => Promise<Pair>) | undefined> = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: curve("prime256v1"),
  ECC_NIST_P384: curve("secp384r1"),
  ECC_NIST_P521: curve("secp521r1"),
  ECC_SECG_P256K1: curve("secp256k1"),
  ECC_NIST_EDWARDS25519: () => generate("ed25519"),
};

/** The specs of the service model; those that Node cannot make on any supported version are refused below. */
export const keyPairSpecs = [...Object.keys(makers), "SM2", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"];

/** Makes a real key pair: SPKI and PKCS#8, DER. */
export async function makeDataKeyPair(spec: string): Promise<{ publicKey: Buffer; privateKey: Buffer }> {
  const make = makers[spec];
  // The service refuses SM2 outside China in the same way.
  if (!make) throw unsupported(`The in-memory KMS cannot make data key pairs of spec ${spec}.`);
  const pair = await make();
  return {
    publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "der" }),
  };
}
