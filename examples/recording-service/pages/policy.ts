import { html } from "hono/html";
import { recordingKeyStatements, type KeyPolicyReport } from "recording-keystore/key-policy";
import { advisedFinding } from "../explain.js";
import type { Visitor } from "../visitor.js";
import type { Markup } from "./layout.js";

/** A policy that was pasted, and what is to say of it. */
export interface PolicyCheck {
  readonly policy: string;
  readonly report: KeyPolicyReport;
}

/** The key policy to paste, and a check of one that was. */
export function policySection(visitor: Visitor, check: PolicyCheck | undefined): Markup {
  const { texts, organization, service } = visitor;
  const { keys } = texts;
  const { serviceAccountId } = service.settings;
  const statements = recordingKeyStatements({ serviceAccountId, organizationIds: [organization.id] });
  return html`<section aria-labelledby="policy-title" class="card">
      <h2 id="policy-title">${keys.policy}</h2>
      <p class="hint">${keys.policyHint(serviceAccountId)}</p>
      <pre
        tabindex="0"
        role="group"
        aria-labelledby="policy-title"
        id="policy-text"
        data-copied="${keys.copied}"
      ><code>${JSON.stringify(statements, undefined, 2)}</code></pre>
      <p class="row">
        <button type="button" data-copy="policy-text">${keys.copy}</button>
        <span class="said" role="status" data-said></span>
      </p>
    </section>
    <section aria-labelledby="check-title" class="card" id="policy-check">
      <h2 id="check-title">${keys.check}</h2>
      <form method="post" action="/${organization.id}/keys/check-policy" data-enhance data-failed="${keys.noAnswer}">
        <label for="policy">${keys.checkLabel}</label>
        <textarea
          id="policy"
          name="policy"
          rows="8"
          required
          maxlength="40000"
          spellcheck="false"
          aria-describedby="check-hint"
        >
${check?.policy ?? ""}</textarea>
        <p class="hint" id="check-hint">${keys.checkHint}</p>
        <p class="row">
          <button>${keys.checkSubmit}</button>
          <span class="said" role="status" data-said></span>
        </p>
      </form>
      ${check ? verdict(visitor, check.report) : ""}
    </section>`;
}

function verdict({ texts, language }: Visitor, { ok, findings }: KeyPolicyReport): Markup {
  const { keys } = texts;
  const tone = ok ? "good" : "danger";
  return html`<div class="outcome ${tone}" role="group" aria-labelledby="verdict" tabindex="-1" data-focus>
    <p class="headline" id="verdict">${ok ? keys.policyGood : keys.policyBad}</p>
    <ul class="findings">
      ${findings.map((finding) => {
        const { message, whatToDo } = advisedFinding(finding, language);
        const { severity, statement, actions } = finding;
        return html`<li>
          <p>
            <span class="badge ${severity === "error" ? "danger" : "warning"}">${keys.severity[severity]}</span>
            ${language === "en" || !statement ? "" : html`${keys.statement(statement.number, statement.sid)}: `}${message}
            ${language === "en" || actions.length === 0 ? "" : html`<code>${actions.join(", ")}</code>`}
          </p>
          <p class="hint">${whatToDo}</p>
        </li>`;
      })}
    </ul>
  </div>`;
}
