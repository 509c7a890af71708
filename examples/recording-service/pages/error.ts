import { html } from "hono/html";
import type { PageError } from "../explain.js";
import type { Visitor } from "../visitor.js";
import { layout, type Markup } from "./layout.js";

/** What went wrong, and what to do next. */
export function errorPage(visitor: Visitor, { kind }: PageError): Markup {
  const { texts, organization } = visitor;
  const { errors } = texts;
  return layout(visitor, {
    title: errors.titles[kind],
    content: html`
      <h1>${errors.titles[kind]}</h1>
      <p>${errors.next[kind]}</p>
      <p class="row"><a class="button" href="/${organization.id}/recordings">${errors.home}</a></p>
    `,
  });
}
