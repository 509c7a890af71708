import { html } from "hono/html";
import { KmsError } from "recording-keystore";
import type { KeyStoreStatus } from "recording-keystore/administration";
import { advised, encryptionState, type EncryptionState } from "../explain.js";
import type { Visitor } from "../visitor.js";
import { time, type Markup } from "./layout.js";

const toneOf: Readonly<Record<EncryptionState, string>> = {
  good: "good",
  unconfirmed: "warning",
  lastKnown: "warning",
  atRisk: "danger",
  notConfigured: "neutral",
};

/** How encryption fares, on every page. Read out when it changes; the browser looks again by itself. */
export function stateBanner(visitor: Visitor, status: KeyStoreStatus, onKeysPage = false): Markup {
  const { texts, organization, maySeeKeys, language } = visitor;
  const { state } = texts;
  const kind = encryptionState(status);
  const { trouble, lastConfirmedAt, lastKmsError } = status;
  const since = kind === "lastKnown" || kind === "atRisk" ? trouble?.since : undefined;
  const cause =
    trouble?.error instanceof KmsError && lastKmsError ? advised(lastKmsError.diagnosis, language) : undefined;
  const keys = (text: string) =>
    onKeysPage || !maySeeKeys ? "" : html`<a href="/${organization.id}/keys">${text}</a>`;
  return html`<section class="state ${toneOf[kind]}" aria-label="${state.title}" role="status" data-live id="state">
    <p class="headline">${headline(kind, visitor, status.activeKeyPair?.sequence ?? 0)}</p>
    ${kind === "good" && lastConfirmedAt ? html`<p>${state.confirmedAt}: ${time(visitor, lastConfirmedAt)}</p>` : ""}
    ${since ? html`<p>${cause ? html`${cause.summary}<br />` : ""}${state.since} ${time(visitor, since)}</p>` : ""}
    ${kind === "lastKnown" ? html`<p>${state.lastKnownText} ${keys(state.details)}</p>` : ""}
    ${kind === "atRisk" ? html`<p>${state.atRiskText} ${keys(state.details)}</p>` : ""}
    ${kind === "notConfigured" ? html`<p>${state.notConfiguredText} ${keys(state.configure)}</p>` : ""}
  </section>`;
}

function headline(kind: EncryptionState, { texts: { state } }: Visitor, number: number): string {
  if (kind === "good" || kind === "unconfirmed") return state[kind](number);
  return state[kind];
}
