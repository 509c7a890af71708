import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  InvalidInputError,
  KmsError,
  TestFailedError,
  type ConfigurationInput,
  type KeyStoreAdministration,
} from "recording-keystore";
import { checkKeyPolicy } from "recording-keystore/key-policy";
import { PageError } from "./explain.js";
import { keysPage, type KeysView } from "./pages/keys.js";
import { said, testOutcome } from "./pages/outcome.js";
import type { Service } from "./service.js";
import type { Env, Visitor } from "./visitor.js";

const pageSize = 10;

/** Below `/:organization/keys`. What a visitor may do is decided by the key store's `administration`, not by hidden buttons. */
export function keyRoutes({ keyStores, settings }: Service): Hono<Env> {
  const routes = new Hono<Env>();
  routes.use(async (c, next) => {
    if (!c.var.visitor.maySeeKeys) throw new PageError("notFound", 404);
    await next();
  });
  routes.use(bodyLimit({ maxSize: 64 * 1024, onError: () => Promise.reject(new PageError("tooLarge", 413)) }));
  const administrationOf = async ({ organization, permissions }: Visitor) =>
    (await keyStores.for(organization.id)).administration(permissions);

  const page = async (visitor: Visitor, more: Partial<KeysView> = {}, cursor?: string) => {
    const administration = await administrationOf(visitor);
    const status = await administration.status();
    const history = await historyOf(administration, cursor);
    const { allowed } = administration;
    return keysPage(visitor, { status, history, older: cursor !== undefined, allowed, input: undefined, ...more });
  };

  routes.get("/", async (c) => {
    const { visitor } = c.var;
    const { done, cursor } = c.req.query();
    const { keys } = visitor.texts;
    const text = done === "saved" ? keys.saved : done === "changed" ? keys.changed : undefined;
    return c.html(await page(visitor, text ? { outcome: said(true, text) } : {}, cursor));
  });

  routes.post("/test", async (c) => {
    const { visitor } = c.var;
    const input = configurationOf(await c.req.parseBody());
    const administration = await administrationOf(visitor);
    try {
      const report = await administration.test(input, { actor: visitor.role });
      return c.html(
        await page(visitor, { input, outcome: testOutcome(visitor, report, false) }),
        report.ok ? 200 : 422,
      );
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      return c.html(await page(visitor, { input, outcome: said(false, visitor.texts.keys.arnWrong) }), 400);
    }
  });

  routes.post("/save", async (c) => {
    const { visitor } = c.var;
    const input = configurationOf(await c.req.parseBody());
    const administration = await administrationOf(visitor);
    try {
      await administration.configure(input, { actor: visitor.role });
    } catch (error) {
      if (error instanceof TestFailedError)
        return c.html(await page(visitor, { input, outcome: testOutcome(visitor, error.report, true) }), 422);
      if (!(error instanceof InvalidInputError)) throw error;
      return c.html(await page(visitor, { input, outcome: said(false, visitor.texts.keys.arnWrong) }), 400);
    }
    return c.redirect(`/${visitor.organization.id}/keys?done=saved`, 303);
  });

  routes.post("/rotate", async (c) => {
    const { visitor } = c.var;
    const administration = await administrationOf(visitor);
    try {
      await administration.rotate({ actor: visitor.role });
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      return c.html(await page(visitor, { outcome: said(false, visitor.texts.keys.changeFailed) }), 503);
    }
    return c.redirect(`/${visitor.organization.id}/keys?done=changed`, 303);
  });

  routes.post("/check-policy", async (c) => {
    const { visitor } = c.var;
    const { policy } = await c.req.parseBody();
    if (typeof policy !== "string") throw new PageError("invalid", 400);
    const { serviceAccountId } = settings;
    const report = checkKeyPolicy(policy, { serviceAccountId, organizationIds: [visitor.organization.id] });
    return c.html(await page(visitor, { policyCheck: { policy, report } }));
  });

  return routes;
}

/** A cursor comes from the address, so anybody may have written it. */
async function historyOf(administration: KeyStoreAdministration, cursor: string | undefined) {
  return administration.keyPairs({ limit: pageSize, ...(cursor !== undefined && { cursor }) });
}

/** The key store checks what is in it. */
function configurationOf(form: Record<string, unknown>): ConfigurationInput {
  const { kmsKeyAliasArn, periodicKeyChange, keyPairSpec } = form;
  const text = typeof kmsKeyAliasArn === "string" ? kmsKeyAliasArn.trim() : "";
  return { kmsKeyAliasArn: text, periodicKeyChange, keyPairSpec } as ConfigurationInput;
}
