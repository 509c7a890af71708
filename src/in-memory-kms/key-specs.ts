export const keyUsages = [
  "SIGN_VERIFY",
  "ENCRYPT_DECRYPT",
  "GENERATE_VERIFY_MAC",
  "KEY_AGREEMENT",
  "ENCAPSULATE_DECAPSULATE",
] as const;
export type KeyUsage = (typeof keyUsages)[number];

const rsaEncryption = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
const rsaSigning = [
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
];
const rsa = { ENCRYPT_DECRYPT: rsaEncryption, SIGN_VERIFY: rsaSigning };
const nistCurve = (hash: string) => ({ SIGN_VERIFY: [`ECDSA_SHA_${hash}`], KEY_AGREEMENT: ["ECDH"] });
const mac = (hash: string) => ({ GENERATE_VERIFY_MAC: [`HMAC_SHA_${hash}`] });
const mlDsa = { SIGN_VERIFY: ["ML_DSA_SHAKE_256"] };
const mlKem = { ENCAPSULATE_DECAPSULATE: ["ML_KEM"] };

/** Algorithms of every key spec, by the usages that a key can be created for. */
const specs = {
  SYMMETRIC_DEFAULT: { ENCRYPT_DECRYPT: ["SYMMETRIC_DEFAULT"] },
  RSA_2048: rsa,
  RSA_3072: rsa,
  RSA_4096: rsa,
  ECC_NIST_P256: nistCurve("256"),
  ECC_NIST_P384: nistCurve("384"),
  ECC_NIST_P521: nistCurve("512"),
  ECC_SECG_P256K1: { SIGN_VERIFY: ["ECDSA_SHA_256"] },
  ECC_NIST_EDWARDS25519: { SIGN_VERIFY: ["ED25519_SHA_512", "ED25519_PH_SHA_512"] },
  HMAC_224: mac("224"),
  HMAC_256: mac("256"),
  HMAC_384: mac("384"),
  HMAC_512: mac("512"),
  SM2: { ENCRYPT_DECRYPT: ["SM2PKE"], SIGN_VERIFY: ["SM2DSA"], KEY_AGREEMENT: ["ECDH"] },
  ML_DSA_44: mlDsa,
  ML_DSA_65: mlDsa,
  ML_DSA_87: mlDsa,
  ML_KEM_512: mlKem,
  ML_KEM_768: mlKem,
  ML_KEM_1024: mlKem,
} as const satisfies Record<string, Partial<Record<KeyUsage, readonly string[]>>>;

export type KeySpec = keyof typeof specs;

export const keySpecs = Object.keys(specs) as [KeySpec, ...KeySpec[]];

export function usagesOf(spec: KeySpec): readonly KeyUsage[] {
  return Object.keys(specs[spec]) as KeyUsage[];
}

const listName = {
  ENCRYPT_DECRYPT: "EncryptionAlgorithms",
  SIGN_VERIFY: "SigningAlgorithms",
  GENERATE_VERIFY_MAC: "MacAlgorithms",
  KEY_AGREEMENT: "KeyAgreementAlgorithms",
  ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
} as const satisfies Record<KeyUsage, string>;

/** The list of algorithms that a key's metadata shows, under its member name. */
export function specFacts(spec: KeySpec, usage: KeyUsage): Record<string, readonly string[]> {
  const algorithms: Partial<Record<KeyUsage, readonly string[]>> = specs[spec];
  return { [listName[usage]]: algorithms[usage] ?? [] };
}
