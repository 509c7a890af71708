import type { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairContext } from "../context.js";
import { unconfirmed } from "../failures.js";
import { askAgain, vouchForActive, type VouchingParts } from "../vouching.js";
import { askUnderAlias } from "./alias-look.js";
import type { ActiveKeyPair, HeldKeyPair } from "./held-key-pair.js";

export type ConfirmationParts = VouchingParts &
  Pick<KeyPairContext, "organizationId" | "fleet" | "alias" | "custody" | "health" | "emit">;

export interface ConfirmationOptions {
  /** Looks where the alias leads although that is not due. */
  readonly look: boolean;
}

/**
 * Asks KMS about the pair in use, and acts on the verdict. Never rejects for KMS.
 * @returns why the pair is no longer in use, if the verdict has ended that
 */
export async function confirmHeld(
  parts: ConfirmationParts,
  held: HeldKeyPair,
  options: ConfirmationOptions,
): Promise<RecordingKeyStoreError | undefined> {
  const { health, custody, organizationId, fleet, emit } = parts;
  const asked = held.current;
  if (!asked) return undefined;
  held.asked();
  const { verdict, follow } = await ask(parts, asked, options);
  if (held.current?.pair !== asked.pair) return undefined;
  if (verdict.status === "confirmed") {
    await held.hold(verdict);
    await follow?.();
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

async function ask(
  parts: ConfirmationParts,
  asked: ActiveKeyPair,
  { look }: ConfirmationOptions,
): ReturnType<typeof askUnderAlias> {
  if (asked.confirmation === "unconfirmed") return { verdict: await vouchForActive(parts, asked.pair) };
  const { alias, health } = parts;
  // While KMS is in trouble a second question would get no better answer.
  if ((look || alias.isLookDue(asked.pair)) && !health.isInTrouble("confirm")) return askUnderAlias(parts, asked.pair);
  return { verdict: await askAgain(parts, asked.pair) };
}
