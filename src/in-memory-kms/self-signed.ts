import { isIP } from "node:net";
import type * as Selfsigned from "selfsigned";
import { InvalidInputError } from "../errors.js";
import { optionalPackage } from "./optional-package.js";

/** Certificate and private key, as PEM. */
export interface KmsCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate for this host, which clients trust that are given it as a certificate authority.
 * @throws InvalidInputError where the package `selfsigned` is missing
 */
export async function selfMadeCertificate(host: string): Promise<KmsCertificate> {
  const selfsigned = await optionalPackage<typeof Selfsigned>("selfsigned");
  if (!selfsigned)
    throw new InvalidInputError(
      "tls",
      "needs the package selfsigned for a self-made certificate: npm install selfsigned",
    );
  const addresses = [...new Set(["127.0.0.1", "::1", ...(isIP(host) ? [host] : [])])];
  const names = [...new Set(["localhost", ...(isIP(host) ? [] : [host])])];
  const { cert, private: key } = await selfsigned.generate([{ name: "commonName", value: "in-memory KMS" }], {
    keyType: "ec",
    algorithm: "sha256",
    notAfterDate: new Date(Date.now() + 365 * 86_400_000),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", digitalSignature: true, keyCertSign: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          ...addresses.map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  return { cert, key };
}
