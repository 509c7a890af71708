import { readFile } from "node:fs/promises";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { changeKms, type Service } from "./service.js";
import { kmsConditions } from "./embedded-kms.js";
import { PageError, toldError } from "./explain.js";
import { keyRoutes } from "./key-routes.js";
import { errorPage } from "./pages/error.js";
import { recordingRoutes } from "./recording-routes.js";
import { isRole, setRole, withVisitor, type Env } from "./visitor.js";

const [css, script] = ["text/css; charset=utf-8", "text/javascript; charset=utf-8"];
const assets: Readonly<Record<string, string>> = {
  "style.css": css,
  "pieces.css": css,
  "forms.css": css,
  "tables.css": css,
  "service.js": script,
  "recorder.js": script,
  "steps.js": script,
  "icon.svg": "image/svg+xml",
};

/** The whole service as a function of requests; `main.ts` listens. */
export function createApp(service: Service): Hono<Env> {
  const app = new Hono<Env>();
  // The outer one has the last word. What a visitor has uploaded runs nothing.
  app.use("/:organization/recordings/:id/content", async (c, next) => {
    await next();
    c.header("Content-Security-Policy", "default-src 'none'; sandbox");
  });
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        mediaSrc: ["'self'", "blob:"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      permissionsPolicy: { microphone: ["self"], camera: [], geolocation: [] },
      referrerPolicy: "same-origin",
      xFrameOptions: "DENY",
      strictTransportSecurity: service.settings.origin?.startsWith("https:") ?? false,
    }),
  );
  app.use(withVisitor(service));
  app.use(async (c, next) => {
    checkOrigin(c, service.settings.origin);
    c.header("Cache-Control", "no-store");
    await next();
  });

  app.get("/", (c) => c.redirect(`/${c.var.visitor.organization.id}/recordings`));
  app.get("/assets/:name{[a-z]+\\.[a-z]+}", async (c) => {
    const name = c.req.param("name");
    const type = Object.hasOwn(assets, name) ? assets[name] : undefined;
    if (type === undefined) return c.notFound();
    const file = new URL(`public/${name}`, import.meta.url);
    c.header("Cache-Control", "no-cache");
    return c.body(await readFile(file), 200, { "Content-Type": type });
  });
  app.post("/demonstration", bodyLimit({ maxSize: 4_096 }), async (c) => {
    const form = await c.req.parseBody();
    const { role, kms, section } = form as Partial<Record<string, string>>;
    const organization = service.settings.organizations.find(({ id }) => id === form["organization"]);
    if (!organization || !isRole(role)) throw new PageError("invalid", 400);
    setRole(c, role);
    const condition = kmsConditions.find((name) => name === kms);
    if (condition) await changeKms(service, condition);
    const to = section === "keys" && role !== "agent" ? "keys" : "recordings";
    return c.redirect(`/${organization.id}/${to}`, 303);
  });
  for (const { id } of service.settings.organizations) {
    app.get(`/${id}`, (c) => c.redirect(`/${id}/recordings`));
    app.route(`/${id}/recordings`, recordingRoutes(service));
    app.route(`/${id}/keys`, keyRoutes(service));
  }

  app.notFound((c) => {
    const without = /^((?:\/[\w-]+)+)\/$/.exec(c.req.path)?.[1];
    return without === undefined ? answerError(c, new PageError("notFound", 404)) : c.redirect(without);
  });
  app.onError((error, c) => answerError(c, toldError(error)));
  return app;
}

function answerError(c: Context<Env>, error: PageError): Response | Promise<Response> {
  c.header("Cache-Control", "no-store");
  return c.html(errorPage(c.var.visitor, error), error.status as 500);
}

/**
 * Refuses changes that another site asks for: browsers name the origin with every request that may change something. The
 * name of the host is checked with all requests, or another site could point its own name at this address.
 */
function checkOrigin(c: Context<Env>, configured: string | undefined): void {
  const { protocol, host, hostname } = new URL(c.req.url);
  const own = configured ?? `${protocol}//${host}`;
  const isOwnHost = configured
    ? host === new URL(configured).host
    : ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  const changes = !["GET", "HEAD"].includes(c.req.method);
  if (!isOwnHost || (changes && c.req.header("origin") !== own)) throw new PageError("crossSite", 403);
}
