import type { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairContext } from "../context.js";
import { unconfirmed } from "../failures.js";
import { askAgain, vouchForActive, type VouchingParts } from "../vouching.js";
import type { HeldKeyPair } from "./held-key-pair.js";

export type ConfirmationParts = VouchingParts &
  Pick<KeyPairContext, "organizationId" | "fleet" | "custody" | "health" | "emit">;

/**
 * Asks KMS about the pair in use, and acts on the verdict. Never rejects for KMS.
 * @returns why the pair is no longer in use, if the verdict has ended that
 */
export async function confirmHeld(
  parts: ConfirmationParts,
  held: HeldKeyPair,
): Promise<RecordingKeyStoreError | undefined> {
  const { health, custody, organizationId, fleet, emit } = parts;
  const asked = held.current;
  if (!asked) return undefined;
  held.asked();
  const verdict = await (asked.confirmation === "confirmed"
    ? askAgain(parts, asked.pair)
    : vouchForActive(parts, asked.pair));
  if (held.current?.pair !== asked.pair) return undefined;
  if (verdict.status === "confirmed") {
    await held.hold(verdict);
    // The fleet's own word is not repeated, as if KMS had been asked anew.
    if (verdict.vouchedBy === "kms") await fleet.tell(verdict.pair, verdict);
    return undefined;
  }
  health.failed("confirm", verdict.error);
  if (verdict.status === "disowned") {
    emit("keyPairUntrusted", { error: verdict.error });
    held.disowned();
    return held.current ? undefined : verdict.error;
  }
  if (asked.confirmation === "confirmed")
    void fleet.tell(asked.pair, { confirmedAt: asked.confirmedAt, error: verdict.error });
  if (verdict.status !== "refused") return undefined;
  custody.drop({ organizationId, digest: asked.pair.digest });
  if (asked.confirmation === "confirmed") return undefined;
  held.dropUnconfirmed();
  return unconfirmed(verdict.error);
}
