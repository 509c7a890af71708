import { KmsPrincipals, type KmsPrincipalInit } from "../in-memory-kms/principals.js";
import { knownOptions } from "../util/check-input.js";
import { UsageError } from "./io.js";
import { readNamed } from "./named-files.js";

/** @throws UsageError naming the file and what is wrong with it */
export async function readPrincipals(file: string): Promise<KmsPrincipalInit[]> {
  const what = `--principals ${file}`;
  const bytes = await readNamed(what, file);
  try {
    return parsePrincipals(bytes.toString("utf8"));
  } catch (error) {
    throw new UsageError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Parses `{"principals":[…]}`, and checks each entry as an in-memory KMS does. @throws Error that says what is wrong */
export function parsePrincipals(text: string): KmsPrincipalInit[] {
  const json: unknown = JSON.parse(text);
  const { principals } = knownOptions(json as { principals: unknown }, { principals: true });
  if (!Array.isArray(principals) || !principals.every(isPrincipal))
    throw new Error('must hold {"principals":[{"accessKeyId","arn","identityPolicy"?}]}');
  const known = new KmsPrincipals();
  for (const [index, principal] of principals.entries()) known.add(principal, `principals[${index}]`);
  return principals;
}

function isPrincipal(value: unknown): value is KmsPrincipalInit & { accessKeyId: string } {
  if (typeof value !== "object" || value === null) return false;
  const { accessKeyId, arn, identityPolicy } = value as Record<string, unknown>;
  const policyFits = ["string", "object", "undefined"].includes(typeof identityPolicy) && identityPolicy !== null;
  return typeof accessKeyId === "string" && typeof arn === "string" && policyFits;
}
