import { Readable } from "node:stream";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { recordingResponse } from "recording-keystore/http";
import { PageError } from "./explain.js";
import { recordingPage, recordingsPage } from "./pages/recordings.js";
import { maxRecordingSize, type AboutRecording, type RecordingEntry } from "./recordings.js";
import type { Service } from "./service.js";
import type { Env, Visitor } from "./visitor.js";

/** Largest part of a live call, in bytes: a browser sends one each second. */
const maxPart = 4 * 1024 * 1024;

/** Longest length that is believed, in seconds: a week. */
const longestLength = 604_800;

/** Below `/:organization/recordings`. */
export function recordingRoutes({ keyStores, recordings, liveCalls }: Service): Hono<Env> {
  const routes = new Hono<Env>();
  const keyStoreOf = ({ organization }: Visitor) => keyStores.for(organization.id);
  const find = async ({ organization }: Visitor, id: string): Promise<RecordingEntry> => {
    const entry = await recordings.find(organization.id, id);
    if (!entry) throw new PageError("notFound", 404);
    return entry;
  };

  routes.get("/", async (c) => {
    const { visitor } = c.var;
    const status = await (await keyStoreOf(visitor)).status();
    return c.html(recordingsPage(visitor, status, await recordings.list(visitor.organization.id)));
  });

  routes.post("/", async (c) => {
    const { visitor } = c.var;
    const about = aboutOf(c.req.query(), c.req.header("content-type"));
    const { body } = c.req.raw;
    if (!body) throw new PageError("invalid", 400);
    if (Number(c.req.header("content-length")) > maxRecordingSize) throw new PageError("tooLarge", 413);
    const plain = Readable.fromWeb(body);
    const entry = await recordings.add(visitor.organization.id, await keyStoreOf(visitor), plain, () => about);
    return c.json(addressOf(visitor, entry), 201);
  });

  routes.post("/live", async (c) => {
    const { visitor } = c.var;
    const keyStore = await keyStoreOf(visitor);
    if (!(await keyStore.status()).configured) throw new PageError("notConfigured", 409);
    const { id: organizationId } = visitor.organization;
    const about = aboutOf(c.req.query(), c.req.query("type"));
    const id = liveCalls.begin(organizationId, about, (plain, told) =>
      recordings.add(organizationId, keyStore, plain, told),
    );
    if (id === undefined) throw new PageError("busy", 503);
    return c.json({ id }, 201);
  });

  routes.put("/live/:id/:number{[0-9]+}", bodyLimit({ maxSize: maxPart }), async (c) => {
    const { organization } = c.var.visitor;
    const part = new Uint8Array(await c.req.arrayBuffer());
    const taken = await liveCalls.take(organization.id, c.req.param("id"), Number(c.req.param("number")), part);
    if (!taken) throw new PageError("callOver", 409);
    return c.body(null, 204);
  });

  routes.post("/live/:id/end", async (c) => {
    const { visitor } = c.var;
    const entry = await liveCalls.end(visitor.organization.id, c.req.param("id"), secondsOf(c.req.query("seconds")));
    if (!entry) throw new PageError("callOver", 409);
    return c.json(addressOf(visitor, entry));
  });

  routes.get("/:id", async (c) => {
    const { visitor } = c.var;
    const entry = await find(visitor, c.req.param("id"));
    const keyStore = await keyStoreOf(visitor);
    const obstacle = await recordings.obstacle(visitor.organization.id, keyStore, entry.id, visitor.role);
    const status = await keyStore.status();
    return c.html(recordingPage(visitor, entry, { status, obstacle }), obstacle ? 503 : 200);
  });

  routes.get("/:id/content", async (c) => {
    const { visitor } = c.var;
    const { id, name, contentType } = await find(visitor, c.req.param("id"));
    const keyStore = await keyStoreOf(visitor);
    const { reader, source } = await recordings.open(visitor.organization.id, keyStore, id, visitor.role);
    return recordingResponse(reader, c.req.raw, {
      contentType,
      etag: `"${id}"`,
      closeWhenDone: true,
      onDone: () => source.close(),
      onError: console.error,
      headers:
        c.req.query("download") === undefined
          ? {}
          : { "Content-Disposition": `attachment; filename*=UTF-8''${fileName(name, contentType)}` },
    });
  });

  routes.post("/:id/delete", async (c) => {
    const { visitor } = c.var;
    const { id } = await find(visitor, c.req.param("id"));
    await recordings.remove(visitor.organization.id, id);
    return c.redirect(`/${visitor.organization.id}/recordings`, 303);
  });

  return routes;
}

/** @throws PageError for what is neither audio nor video */
function aboutOf({ name = "", seconds }: Record<string, string>, contentType = ""): AboutRecording {
  if (!/^(?:audio|video)\/[\w.+-]{1,60}(?: ?; ?codecs="?[\w.,+ -]{1,60}"?)?$/.test(contentType))
    throw new PageError("unsupported", 415);

  const shown = name.replace(/[\u0000-\u001f\u007f]/g, "").trim();
  if (shown === "" || shown.length > 200) throw new PageError("invalid", 400);
  return { name: shown, contentType, seconds: secondsOf(seconds) };
}

function secondsOf(text: string | undefined): number | undefined {
  const seconds = Number(text ?? Number.NaN);
  return seconds >= 0 && seconds <= longestLength ? seconds : undefined;
}

const addressOf = ({ organization }: Visitor, { id }: RecordingEntry) => ({
  address: `/${organization.id}/recordings/${id}`,
});

/** Percent-encoded as RFC 8187 wants it, with an ending where the name has none. */
function fileName(name: string, contentType: string): string {
  const ending = /\.\w{1,5}$/.test(name) ? "" : `.${/\/([a-z0-9]+)/.exec(contentType)?.[1] ?? "bin"}`;
  return encodeURIComponent(`${name}${ending}`).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}
