import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { InvalidInputError, KmsError, TestFailedError, type ConfigurationInput } from "recording-keystore";
import type { KeyStoreAdministration } from "recording-keystore/administration";
import { checkKeyPolicy } from "recording-keystore/key-policy";
import { PageError } from "./explain.js";
import { keysPage, type KeysView } from "./pages/keys.js";
import { said, testOutcome } from "./pages/outcome.js";
import type { Service } from "./service.js";
import { answerTest, type TestAnswer } from "./test-stream.js";
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

  const failed = async (visitor: Visitor, input: ConfigurationInput, error: unknown): Promise<TestAnswer> => {
    if (error instanceof TestFailedError)
      return { page: await page(visitor, { input, outcome: testOutcome(visitor, error.report, true) }), status: 422 };
    if (!(error instanceof InvalidInputError)) throw error;
    return {
      page: await page(visitor, { input, outcome: said(false, whatIsWrong(visitor, input, error)) }),
      status: 400,
    };
  };

  routes.get("/", async (c) => {
    const { visitor } = c.var;
    const { done, cursor } = c.req.query();
    const { keys } = visitor.texts;
    const text = done === "saved" ? keys.saved : done === "changed" ? keys.changed : undefined;
    return c.html(await page(visitor, text ? { outcome: said(true, text) } : {}, cursor));
  });

  // Where a form's answer is asked for again by its address, or in the other language.
  for (const action of ["test", "save", "rotate", "check-policy"])
    routes.get(`/${action}`, (c) => c.redirect(`/${c.var.visitor.organization.id}/keys`));

  routes.post("/test", async (c) => {
    const { visitor } = c.var;
    const input = configurationOf(await c.req.parseBody());
    const administration = await administrationOf(visitor);
    return answerTest(c, async (watch): Promise<TestAnswer> => {
      try {
        const report = await administration.test(input, { actor: visitor.role, ...watch });
        const outcome = testOutcome(visitor, report, false);
        return { page: await page(visitor, { input, outcome }), status: report.ok ? 200 : 422 };
      } catch (error) {
        return failed(visitor, input, error);
      }
    });
  });

  routes.post("/save", async (c) => {
    const { visitor } = c.var;
    const input = configurationOf(await c.req.parseBody());
    const administration = await administrationOf(visitor);
    // Once begun it is saved, whether or not the visitor waits for it.
    return answerTest(c, async ({ onStep }): Promise<TestAnswer> => {
      try {
        await administration.configure(input, { actor: visitor.role, ...(onStep && { onStep }) });
      } catch (error) {
        return failed(visitor, input, error);
      }
      const outcome = said(true, visitor.texts.keys.saved);
      return {
        page: await page(visitor, { outcome }),
        status: 200,
        address: `/${visitor.organization.id}/keys?done=saved`,
      };
    });
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

/** Why the key store did not even ask KMS. */
function whatIsWrong(
  { texts: { keys }, organization }: Visitor,
  input: ConfigurationInput,
  error: InvalidInputError,
): string {
  if (error.field !== "kmsKeyAliasArn") return keys.choiceWrong;
  const account = /^arn:[\w-]+:kms:[\w-]+:(\d{12}):alias\/./.exec(input.kmsKeyAliasArn)?.[1];
  const { kmsAccountId } = organization;
  return account === undefined || account === kmsAccountId ? keys.arnWrong : keys.otherAccount(kmsAccountId);
}

/** The key store checks what is in it. */
function configurationOf(form: Record<string, unknown>): ConfigurationInput {
  const { kmsKeyAliasArn, periodicKeyChange, keyPairSpec } = form;
  const text = typeof kmsKeyAliasArn === "string" ? kmsKeyAliasArn.trim() : "";
  return { kmsKeyAliasArn: text, periodicKeyChange, keyPairSpec } as ConfigurationInput;
}
