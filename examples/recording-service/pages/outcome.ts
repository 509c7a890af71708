import { html } from "hono/html";
import { testStepNames, type TestReport, type TestStep } from "recording-keystore/administration";
import { advised } from "../explain.js";
import type { Visitor } from "../visitor.js";
import type { Markup } from "./layout.js";

/** What came of a form, in a sentence. The page moves the focus to it, and that is how a screen reader tells of it. */
export function said(good: boolean, text: string, more: Markup = html``): Markup {
  return outcome(good ? "good" : "danger", text, more);
}

function outcome(tone: "good" | "danger" | "neutral", text: string, more: Markup): Markup {
  return html`<section class="outcome ${tone}" aria-labelledby="outcome-title" tabindex="-1" data-focus>
    <h2 class="headline" id="outcome-title">${text}</h2>
    ${more}
  </section>`;
}

/** What stands in the place of the outcome while a test runs, for the page's script to fill in step by step. */
export function testUnderWay({ texts: { keys } }: Visitor): Markup {
  return html`<template data-steps>
    ${outcome(
      "neutral",
      keys.testing,
      html`<ol class="steps" data-running="${keys.stepRunning}">
        ${testStepNames.map(
          (name) =>
            html`<li class="waiting" data-step="${name}">
              <span>${keys.steps[name]}</span> <span class="hint"></span>
            </li>`,
        )}
      </ol>`,
    )}
  </template>`;
}

/** How a step ended, and how long it took. */
export function stepText({ texts: { keys }, format }: Visitor, { status, durationMs }: TestStep): string {
  const ended = keys.stepStatus[status];
  return status === "skipped" ? ended : keys.stepTook(ended, format.milliseconds(durationMs));
}

/** A test: its steps, its verdict and, where KMS said no, what to do. */
export function testOutcome(visitor: Visitor, report: TestReport, saving: boolean): Markup {
  const { texts, language } = visitor;
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
          (step) =>
            html`<li class="${step.status}">
              <span>${keys.steps[step.name]}</span>
              <span class="hint">${stepText(visitor, step)}</span>
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
