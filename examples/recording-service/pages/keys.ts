import { html } from "hono/html";
import type { ConfigurationInput } from "recording-keystore";
import {
  keyPairSpecs,
  periodicKeyChanges,
  type KeyPairInfo,
  type KeyPairPage,
  type KeyStoreAdministration,
  type KeyStoreStatus,
} from "recording-keystore/administration";
import { proposedAliases } from "../embedded-kms.js";
import { advised } from "../explain.js";
import type { Visitor } from "../visitor.js";
import { layout, time, type Markup } from "./layout.js";
import { testUnderWay } from "./outcome.js";
import { policySection, type PolicyCheck } from "./policy.js";
import { stateBanner } from "./state.js";

export interface KeysView {
  readonly status: KeyStoreStatus;
  readonly history: KeyPairPage;
  /** True from the second page of the history on. */
  readonly older: boolean;
  readonly allowed: KeyStoreAdministration["allowed"];
  /** What the form shows: what was just sent, or else what is saved. */
  readonly input: ConfigurationInput | undefined;
  /** What came of the form that was sent. */
  readonly outcome?: Markup | undefined;
  readonly policyCheck?: PolicyCheck | undefined;
}

/** What administrators see of the organization's key, and do with it. */
export function keysPage(visitor: Visitor, view: KeysView): Markup {
  const { texts } = visitor;
  const { status, history, allowed } = view;
  return layout(visitor, {
    title: texts.encryptionKeys,
    section: "keys",
    content: html`
      <h1>${texts.encryptionKeys}</h1>
      ${stateBanner(visitor, status, true)} ${allowed.configure ? "" : html`<p class="note">${texts.keys.viewOnly}</p>`}
      <div class="in-place" data-outcome>${view.outcome ?? ""}</div>
      ${status.trouble ? lastError(visitor, status) : ""} ${storeTrouble(visitor, status)} ${current(visitor, view)}
      ${settings(visitor, view)} ${historySection(visitor, history, view.older)}
      ${status.trouble ? "" : lastError(visitor, status)} ${policySection(visitor, view.policyCheck)}
    `,
  });
}

function current(visitor: Visitor, { status, allowed }: KeysView): Markup {
  const { texts, organization } = visitor;
  const { keys } = texts;
  const { activeKeyPair, nextKeyChange, lastConfirmedAt } = status;
  const fact = (name: string, value: Markup | string | number) =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value}</dd>
    </div>`;
  return html`<section aria-labelledby="current-title" class="card">
    <h2 id="current-title">${keys.current}</h2>
    ${
      activeKeyPair
        ? html`<dl class="facts">
              ${fact(keys.number, activeKeyPair.sequence)} ${fact(keys.spec, activeKeyPair.spec)}
              ${fact(keys.madeAt, time(visitor, activeKeyPair.createdAt))}
              ${fact(keys.nextChange, nextKeyChange ? time(visitor, nextKeyChange) : keys.never)}
              ${lastConfirmedAt ? fact(keys.vouchedBy, time(visitor, lastConfirmedAt)) : ""}
              ${fact(keys.alias, html`<code>${activeKeyPair.kmsKeyAliasArn}</code>`)}
              ${fact(keys.kmsKey, html`<code>${activeKeyPair.kmsKeyArn}</code>`)}
            </dl>
            <form method="post" action="/${organization.id}/keys/rotate" data-enhance data-failed="${keys.noAnswer}">
              <p class="row">
                <button ${allowed.rotate ? "" : "disabled"}>${keys.changeNow}</button>
                <span class="hint">${keys.changeNowHint}</span>
                <span class="said" role="status" data-said></span>
              </p>
            </form>`
        : html`<p class="hint">${keys.none}</p>`
    }
  </section>`;
}

function settings(visitor: Visitor, { status, allowed, input }: KeysView): Markup {
  const { texts, organization, service } = visitor;
  const { keys } = texts;
  const { configuration } = status;
  const shown = input ?? configuration;
  const disabled = allowed.configure ? "" : "disabled";
  const option = (value: string, text: string, chosen: boolean) =>
    html`<option value="${value}" ${chosen ? "selected" : ""}>${text}</option>`;
  return html`<section aria-labelledby="settings-title" class="card">
    <h2 id="settings-title">${keys.settings}</h2>
    <form method="post" action="/${organization.id}/keys/save" data-enhance data-failed="${keys.noAnswer}">
      <fieldset ${disabled}>
        <legend class="hidden">${keys.settings}</legend>
        <label for="spec">${keys.type}</label>
        <select id="spec" name="keyPairSpec">
          ${keyPairSpecs.map((spec) => option(spec, keys.types[spec], spec === (shown?.keyPairSpec ?? "X25519")))}
        </select>
        <label for="arn">${keys.arn}</label>
        <input
          id="arn"
          name="kmsKeyAliasArn"
          value="${shown?.kmsKeyAliasArn ?? ""}"
          required
          maxlength="2048"
          autocomplete="off"
          spellcheck="false"
          aria-describedby="arn-hint"
          ${service.embeddedKms ? html`list="aliases"` : ""}
        />
        ${
          service.embeddedKms
            ? html`<datalist id="aliases">
                ${proposedAliases(organization).map((alias) => html`<option value="${alias}"></option>`)}
              </datalist>`
            : ""
        }
        <p class="hint" id="arn-hint">${keys.arnHint(organization.homeRegion)}</p>
        <label for="period">${keys.periodic}</label>
        <select id="period" name="periodicKeyChange">
          ${periodicKeyChanges.map((period) =>
            option(period, keys.periods[period], period === (shown?.periodicKeyChange ?? "monthly")),
          )}
        </select>
        <p class="row">
          <button class="primary">${keys.save}</button>
          <button formaction="/${organization.id}/keys/test">${keys.test}</button>
          <span class="said" role="status" data-said></span>
        </p>
      </fieldset>
      ${testUnderWay(visitor)}
    </form>
  </section>`;
}

function historySection(visitor: Visitor, { items, nextCursor }: KeyPairPage, older: boolean): Markup {
  const { texts, organization } = visitor;
  const { keys } = texts;
  if (items.length === 0) return html``;
  const heads = [keys.number, keys.madeAt, keys.why, keys.by, keys.spec, keys.kmsKey, keys.active];
  const here = `/${organization.id}/keys`;
  return html`<section aria-labelledby="history-title" id="history">
    <h2 id="history-title">${keys.history}</h2>
    <table role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${heads.map((head) => html`<th role="columnheader" scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${items.map((pair) => historyRow(visitor, pair))}
      </tbody>
    </table>
    <p class="row">
      ${older ? html`<a class="button" href="${here}#history">${keys.newest}</a>` : ""}
      ${nextCursor ? html`<a class="button" href="${here}?cursor=${nextCursor}#history">${keys.older}</a>` : ""}
    </p>
  </section>`;
}

function historyRow(visitor: Visitor, pair: KeyPairInfo): Markup {
  const { texts, service } = visitor;
  const { keys } = texts;
  const actor = service.keyChanges.actorOf(pair.keyPairId);
  const badge = pair.active ? html`<span class="badge good">${keys.active}</span>` : keys.earlier;
  return html`<tr role="row">
    <th role="rowheader" scope="row">${pair.sequence}</th>
    <td role="cell" data-label="${keys.madeAt}">${time(visitor, pair.createdAt)}</td>
    <td role="cell" data-label="${keys.why}">${pair.reason ? keys.reasons[pair.reason] : "–"}</td>
    <td role="cell" data-label="${keys.by}">
      ${actor === undefined ? keys.bySchedule : (keys.byActor[actor] ?? actor)}
    </td>
    <td role="cell" data-label="${keys.spec}">${pair.spec}</td>
    <td role="cell" data-label="${keys.kmsKey}"><code title="${pair.kmsKeyArn}">${keyId(pair.kmsKeyArn)}</code></td>
    <td role="cell" data-label="${keys.active}">${badge}</td>
  </tr>`;
}

/** `…` and the end of a KMS key's id, which tells keys apart. */
const keyId = (arn: string) => `…${arn.slice(-12)}`;

function lastError(visitor: Visitor, { lastKmsError, usedLastKnownKey }: KeyStoreStatus): Markup {
  const { texts, language } = visitor;
  const { keys } = texts;
  if (!lastKmsError) return html``;
  const { at, diagnosis } = lastKmsError;
  const { summary, whatToDo } = advised(diagnosis, language);
  return html`<section aria-labelledby="error-title" class="card ${usedLastKnownKey ? "warning" : ""}">
    <h2 id="error-title">${keys.lastError}</h2>
    <p><strong>${summary}</strong> <span class="hint">${time(visitor, at)}</span></p>
    <h3>${keys.whatToDo}</h3>
    <ol>
      ${whatToDo.map((step) => html`<li>${step}</li>`)}
    </ol>
    ${
      diagnosis.awsErrorName === undefined
        ? ""
        : html`<p class="hint">
            ${keys.awsSays}: <code lang="en">${diagnosis.awsErrorName}: ${diagnosis.awsMessage ?? ""}</code>
          </p>`
    }
    ${
      diagnosis.awsRequestId === undefined
        ? ""
        : html`<p class="hint">${keys.requestId}: <code>${diagnosis.awsRequestId}</code></p>`
    }
  </section>`;
}

/** What the organization's administrators can't mend themselves, and where their alias leads. */
function storeTrouble(visitor: Visitor, { storeError, aliasDrift }: KeyStoreStatus): Markup {
  const { keys } = visitor.texts;
  return html`${
    storeError
      ? html`<section aria-labelledby="store-title" class="card warning">
          <h2 id="store-title">${keys.store}</h2>
          <p>${keys.storeText} <code>${storeError.code}</code></p>
        </section>`
      : ""
  }
  ${
    aliasDrift
      ? html`<section aria-labelledby="drift-title" class="card warning">
          <h2 id="drift-title">${keys.drift}</h2>
          <p>${aliasDrift.keyChange === "moves" ? keys.driftMoves : keys.driftFails}</p>
        </section>`
      : ""
  }`;
}
