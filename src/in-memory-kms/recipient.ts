import { validation } from "./aws-error.js";
import { readInput } from "./input.js";

const rules = {
  KeyEncryptionAlgorithm: { type: "string", values: ["RSAES_OAEP_SHA_256"] },
  AttestationDocument: { type: "blob", min: 1, max: 262_144 },
} as const;

/** Member for which an enclave's answer is encrypted. */
export const recipientRule = { type: "structure" } as const;

/**
 * Refuses any recipient: no attestation document can be verified here, where there is no enclave and no hypervisor that signs.
 * @throws AwsError for what a request has as its recipient
 */
export function refuseRecipient(given: Record<string, unknown> | undefined): void {
  if (!given) return;
  const { KeyEncryptionAlgorithm: algorithm, AttestationDocument: document } = readInput(rules, given, "recipient.");
  if (algorithm === undefined || document === undefined)
    throw validation("Recipient needs KeyEncryptionAlgorithm and AttestationDocument.");
  throw validation("The attestation document in Recipient is malformed, or not signed by AWS.");
}
