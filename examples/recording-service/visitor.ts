import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import type { Permission } from "recording-keystore/administration";
import type { Service } from "./service.js";
import type { Organization } from "./settings.js";
import { formats, isLanguage, languageOf, languages, type Language, type Texts } from "./texts/index.js";

/** What each role of the demonstration may do with encryption keys. A real service has a login, and permissions of its own. */
const permissionsOf = {
  administrator: ["recording:encryptionKey:view", "recording:encryptionKey:edit"],
  viewer: ["recording:encryptionKey:view"],
  agent: [],
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof permissionsOf;
export const roles = Object.keys(permissionsOf) as readonly Role[];
export const isRole = (text: string | undefined): text is Role => roles.some((role) => role === text);

/** Who asks for a page, and how they read it. */
export interface Visitor {
  readonly service: Service;
  readonly organization: Organization;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  readonly maySeeKeys: boolean;
  readonly language: Language;
  readonly texts: Texts;
  readonly format: ReturnType<typeof formats>;
  readonly path: string;
}

export interface Env {
  Variables: { visitor: Visitor };
}

const aYear = { path: "/", maxAge: 31_536_000, sameSite: "Strict", httpOnly: true } as const;

/** Puts the visitor into the context, for the organization that the path names. */
export function withVisitor(service: Service): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { organizations } = service.settings;
    const named = c.req.path.split("/")[1];
    const [first] = organizations;
    const organization = organizations.find(({ id }) => id === named) ?? first;
    if (!organization) throw new Error("there is no organization");
    const role = roleOf(c);
    const permissions: readonly Permission[] = permissionsOf[role];
    const language = chosenLanguage(c);
    c.set("visitor", {
      ...{ service, organization, role, permissions, language },
      maySeeKeys: permissions.includes("recording:encryptionKey:view"),
      texts: languages[language],
      format: formats(language),
      path: c.req.path,
    });
    await next();
  };
}

export function setRole(c: Context, role: Role): void {
  setCookie(c, "role", role, aYear);
}

function roleOf(c: Context): Role {
  const role = getCookie(c, "role");
  return isRole(role) ? role : "administrator";
}

/** That of the switch, which is remembered, or the browser's. */
function chosenLanguage(c: Context): Language {
  const asked = c.req.query("lang");
  if (isLanguage(asked)) {
    setCookie(c, "language", asked, aYear);
    return asked;
  }
  const remembered = getCookie(c, "language");
  return isLanguage(remembered) ? remembered : languageOf(c.req.header("accept-language"));
}
