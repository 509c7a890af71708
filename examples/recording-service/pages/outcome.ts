import { html } from "hono/html";
import type { TestReport } from "recording-keystore";
import { advised } from "../explain.js";
import type { Visitor } from "../visitor.js";
import type { Markup } from "./layout.js";

/** What came of a form, in a sentence. The page moves the focus to it. */
export function said(good: boolean, text: string, more: Markup = html``): Markup {
  return html`<section class="outcome ${good ? "good" : "danger"}" role="status" tabindex="-1" data-focus>
    <h2 class="headline">${text}</h2>
    ${more}
  </section>`;
}

/** A test: its steps, its verdict and, where KMS said no, what to do. */
export function testOutcome(visitor: Visitor, report: TestReport, saving: boolean): Markup {
  const { texts, language, format } = visitor;
  const { keys } = texts;
  const verdict = report.ok ? keys.testPassed : saving ? keys.notSaved : keys.testFailed;
  const advice = report.diagnosis && advised(report.diagnosis, language);
  const { awsErrorName, awsMessage } = report.diagnosis ?? {};
  return said(
    report.ok,
    verdict,
    html`
      <ol class="steps">
        ${report.steps.map(
          ({ name, status, durationMs }) =>
            html`<li class="${status}">
              <span>${keys.steps[name]}</span>
              <span class="hint">
                ${keys.stepStatus[status]}${status === "skipped" ? "" : html`, ${format.milliseconds(durationMs)}`}
              </span>
            </li>`,
        )}
      </ol>
      ${
        advice
          ? html`<p><strong>${advice.summary}</strong></p>
              <h3>${keys.whatToDo}</h3>
              <ol>
                ${advice.whatToDo.map((step) => html`<li>${step}</li>`)}
              </ol>`
          : ""
      }
      ${awsErrorName === undefined ? "" : html`<p class="hint">${keys.awsSays}: <code lang="en">${awsErrorName}: ${awsMessage ?? ""}</code></p>`}
    `,
  );
}
