import { html } from "hono/html";
import { kmsConditions } from "../embedded-kms.js";
import { languages } from "../texts/index.js";
import { roles, type Visitor } from "../visitor.js";

/** Escaped markup: whatever a page puts into `html` is escaped, unless it is markup already. */
export type Markup = ReturnType<typeof html>;

interface Page {
  readonly title: string;
  /** Which entry of the navigation this is. */
  readonly section?: "recordings" | "keys";
  readonly content: Markup;
}

/** A whole page, in the visitor's language. */
export function layout(visitor: Visitor, { title, section, content }: Page): Markup {
  const { texts, language, organization, maySeeKeys } = visitor;
  const link = (to: "recordings" | "keys", text: string) =>
    html`<a href="/${organization.id}/${to}" ${section === to ? html`aria-current="page"` : ""}>${text}</a>`;
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · ${organization.name}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        ${["style", "pieces", "forms", "tables"].map((sheet) => html`<link rel="stylesheet" href="/assets/${sheet}.css" />`)}
        <script type="module" src="/assets/service.js"></script>
      </head>
      <body>
        <a class="skip" href="#content">${texts.skip}</a>
        <header class="top">
          <div class="bar">
            <p class="brand">
              <img src="/assets/icon.svg" alt="" width="28" height="28" />
              <span>${organization.name}</span>
            </p>
            <nav aria-label="${texts.navigation}">
              ${link("recordings", texts.recordings)} ${maySeeKeys ? link("keys", texts.encryptionKeys) : ""}
            </nav>
            ${languageSwitch(visitor)}
          </div>
        </header>
        <main id="content" tabindex="-1">${content}</main>
        <footer>${demonstration(visitor, section)}</footer>
      </body>
    </html>`;
}

function languageSwitch({ language, path }: Visitor): Markup {
  const others = Object.entries(languages).filter(([name]) => name !== language);
  return html`<p class="language">
    ${others.map(([name, { language: own }]) => html`<a href="${path}?lang=${name}" lang="${name}">${own}</a>`)}
  </p>`;
}

/** Who the visitor is, and how AWS KMS fares: what a real service takes from its login, and from AWS. */
function demonstration({ service, texts, organization, role }: Visitor, section = "recordings"): Markup {
  const { demo } = texts;
  const { organizations } = service.settings;
  const { embeddedKms } = service;
  const choice = (value: string, text: string, chosen: boolean) =>
    html`<option value="${value}" ${chosen ? "selected" : ""}>${text}</option>`;
  return html`<form class="demo" method="post" action="/demonstration" aria-labelledby="demo-title">
    <h2 id="demo-title">${demo.title}</h2>
    <input type="hidden" name="section" value="${section}" />
    <label>
      ${demo.organization}
      <select name="organization">
        ${organizations.map(({ id, name }) => choice(id, name, id === organization.id))}
      </select>
    </label>
    <label>
      ${demo.role}
      <select name="role">
        ${roles.map((name) => choice(name, demo.roles[name], name === role))}
      </select>
    </label>
    ${
      embeddedKms
        ? html`<label>
            ${demo.kms}
            <select name="kms">
              ${kmsConditions.map((name) => choice(name, demo.kmsConditions[name], name === embeddedKms.condition))}
            </select>
          </label>`
        : ""
    }
    <button>${demo.apply}</button>
  </form>`;
}

/** A time, which the browser shows in its own zone. */
export function time({ format, texts }: Visitor, at: Date | string): Markup {
  const date = new Date(at);
  return html`<time datetime="${date.toISOString()}">${format.time(date)} ${texts.utc}</time>`;
}
