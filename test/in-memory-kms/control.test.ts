import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { afterEach, describe, expect, it } from "vitest";
import {
  InMemoryKms,
  KmsControl,
  TestClock,
  type KmsEndpoint,
  type KmsListenOptions,
} from "../../src/in-memory-kms/index.js";
import { signedHeaders } from "./transports.js";
import { day, home } from "./world.js";

const open: KmsEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
});

async function served(options: KmsListenOptions = {}, kms = new InMemoryKms()) {
  const endpoint = await kms.listen(options);
  open.push(endpoint);
  return { kms, endpoint, url: endpoint.url, control: new KmsControl(endpoint.url) };
}

/** A request with any headers, which `fetch` would not send. */
function raw(
  url: string,
  path: string,
  {
    method = "GET",
    headers = {},
    body = "",
    ca,
  }: { method?: string; headers?: Record<string, string>; body?: string; ca?: string } = {},
) {
  const request = url.startsWith("https") ? httpsRequest : httpRequest;
  return new Promise<{ status: number; headers: Record<string, unknown>; json: unknown }>((resolve, reject) => {
    const sent = request(
      new URL(path, url),
      { method, headers, agent: false, ...(ca !== undefined && { ca }) },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => {
          const json: unknown = text === "" ? undefined : JSON.parse(text);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

async function call(url: string, operation: string, input: object, ca?: string) {
  const body = JSON.stringify(input);
  const caller = { region: home, accessKeyId: "AKIAANYONE" };
  const headers = signedHeaders(new URL(url).host, `TrentService.${operation}`, body, caller);
  return raw(url, "/", { method: "POST", headers, body, ...(ca !== undefined && { ca }) });
}

describe("over HTTP", () => {
  it("faults begin, are seen, and end", async () => {
    const { control, url } = await served();
    const fault = await control.inject("throttling", { operation: "ListKeys", times: 2 });
    expect(await call(url, "ListKeys", {})).toMatchObject({ status: 400, json: { __type: "ThrottlingException" } });
    expect(await control.faults()).toMatchObject([
      { id: fault.id, kind: "throttling", options: { operation: "ListKeys", times: 2 }, hits: 1 },
    ]);
    await fault.remove();
    await fault.remove();
    expect(await call(url, "ListKeys", {})).toMatchObject({ status: 200 });
    await control.outage();
    await expect(call(url, "ListKeys", {})).rejects.toMatchObject({ code: "ECONNRESET" });
    await control.heal();
    expect(await control.faults()).toEqual([]);
  });

  it("the clock is read, moved on and turned", async () => {
    const { control, kms, url } = await served();
    const key = kms.createKey();
    kms.scheduleKeyDeletion(key, 7);
    const before = await control.now();
    expect(await control.advance(8 * day)).toBeGreaterThanOrEqual(before + 8 * day);
    expect(await call(url, "DescribeKey", { KeyId: key })).toMatchObject({ json: { __type: "NotFoundException" } });
    const then = Date.UTC(2031, 0, 1);
    expect(await control.setTime(new Date(then))).toBeGreaterThanOrEqual(then);
  });

  it("a test clock is moved exactly", async () => {
    const clock = new TestClock(1_000);
    const { control } = await served({}, new InMemoryKms({ clock }));
    expect(await control.advance(500)).toBe(1_500);
    expect(await control.setTime(0)).toBe(0);
    expect(clock.now()).toBe(0);
  });

  it("the journal is read and emptied, keys are taken, put back and reset", async () => {
    const { control, url } = await served();
    const { json } = await call(url, "CreateKey", {});
    const { KeyId } = (json as { KeyMetadata: { KeyId: string } }).KeyMetadata;
    await call(url, "DescribeKey", { KeyId });
    expect(await control.calls({ operation: "DescribeKey" })).toMatchObject([{ keyId: KeyId, outcome: "ok" }]);
    await control.clearJournal();
    expect(await control.calls()).toEqual([]);
    const snapshot = await control.snapshot();
    await control.reset();
    expect(await call(url, "DescribeKey", { KeyId })).toMatchObject({ status: 400 });
    await control.restore(snapshot);
    expect(await call(url, "DescribeKey", { KeyId })).toMatchObject({ status: 200 });
  });

  it("connecting a custom key store takes as long, and ends, as it is told to", async () => {
    const { control, kms, url } = await served();
    const CustomKeyStoreId = kms.keyStores.create({ connected: false });
    await control.setKeyStoreConnection(CustomKeyStoreId, { takesMs: day, failsWith: "XKS_PROXY_TIMED_OUT" });
    await call(url, "ConnectCustomKeyStore", { CustomKeyStoreId });
    const described = () => call(url, "DescribeCustomKeyStores", { CustomKeyStoreId });
    expect(await described()).toMatchObject({ json: { CustomKeyStores: [{ ConnectionState: "CONNECTING" }] } });
    await control.advance(day);
    expect(await described()).toMatchObject({
      json: { CustomKeyStores: [{ ConnectionState: "FAILED", ConnectionErrorCode: "XKS_PROXY_TIMED_OUT" }] },
    });
    await expect(control.setKeyStoreConnection("cks-1")).rejects.toThrow("id: must be the id of a custom key store");
    const foreign = control.setKeyStoreConnection(CustomKeyStoreId, { failsWith: "USER_NOT_FOUND" });
    await expect(foreign).rejects.toThrow("failsWith: must be one of");
  });

  it("a mistake is said with its name", async () => {
    const { control, url } = await served();
    await expect(control.inject("throtling" as never)).rejects.toMatchObject({
      name: "KmsControlError",
      statusCode: 400,
      message: expect.stringContaining('There is no fault "throtling"') as string,
    });
    await expect(control.restore({} as never)).rejects.toThrow("snapshot: must be what snapshot()");
    await expect(control.calls({ operaton: "x" } as never)).rejects.toThrow("operaton: is not a known option");
    const headers = { "x-kms-control": "1" };
    const send = async (method: string, path: string, body?: string) =>
      raw(url, `/_kms/${path}`, { method, headers, ...(body !== undefined && { body }) });
    expect(await send("POST", "clock", "{")).toEqual(
      expect.objectContaining({ status: 400, json: { error: "body: must be JSON" } }),
    );
    expect(await send("POST", "clock", "{}")).toMatchObject({ status: 400 });
    expect(await send("POST", "clock", '{"set":"never"}')).toMatchObject({ status: 400 });
    expect(await send("GET", "secrets")).toMatchObject({ status: 404 });
    expect(await send("GET", "constructor")).toMatchObject({ status: 404 });
    expect(await send("PUT", "faults", "{}")).toMatchObject({ status: 405 });
  });
});

it("closes no idle connection, on which a call may be on its way", async () => {
  const { url } = await served();
  const { headers } = await raw(url, "/_kms/health", { headers: { connection: "keep-alive" } });
  // Node's server says after how many seconds it will.
  expect(headers).toMatchObject({ connection: "keep-alive" });
  expect(headers).not.toHaveProperty("keep-alive");
});

describe("nobody controls it from a web page", () => {
  const path = "/_kms/snapshot";
  const own = { "x-kms-control": "1" };

  it.each<[string, Record<string, string>]>([
    ["no header of its own", {}],
    ["an origin", { ...own, origin: "http://evil.example" }],
    ["the server's own origin", { ...own, origin: "http://127.0.0.1" }],
    ["a browser's word on the site", { ...own, "sec-fetch-site": "same-origin" }],
    ["a name that was made to lead here", { ...own, host: "evil.example:8080" }],
    ["a name that looks like an address", { ...own, host: "127.0.0.1.evil.example" }],
  ])("%s", async (_what, headers) => {
    const { url } = await served();
    expect(await raw(url, path, { headers })).toMatchObject({ status: 403 });
  });

  it.each(["localhost:1234", "127.0.0.1", "[::1]:80", "kms:8080"])("but by %s", async (host) => {
    const { url } = await served({ controlHosts: ["KMS"] });
    expect(await raw(url, path, { headers: { ...own, host } })).toMatchObject({ status: 200 });
  });

  it("not even from an origin that may call KMS, whose preflight gets no leave", async () => {
    const origin = "https://app.example";
    const { url } = await served({ cors: [origin] });
    const preflight = { method: "OPTIONS", headers: { origin, "access-control-request-headers": "x-kms-control" } };
    const answer = await raw(url, path, preflight);
    expect(answer.status).toBe(403);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
    const toKms = await raw(url, "/", preflight);
    expect(toKms.headers).toMatchObject({ "access-control-allow-origin": origin });
    const other = await raw(url, "/", { method: "OPTIONS", headers: { origin: "https://other.example" } });
    expect(other.headers).not.toHaveProperty("access-control-allow-origin");
  });

  it("and it is off beyond loopback unless it is asked for; health is always told", async () => {
    const all = await served({ host: "0.0.0.0" });
    const url = `http://127.0.0.1:${all.endpoint.port}`;
    expect(await raw(url, path, { headers: own })).toMatchObject({ status: 404 });
    expect(await new KmsControl(url).health()).toEqual({ status: "running" });
    const asked = await served({ host: "0.0.0.0", control: true });
    expect(await raw(`http://127.0.0.1:${asked.endpoint.port}`, path, { headers: own })).toMatchObject({ status: 200 });
    const off = await served({ control: false });
    await expect(off.control.snapshot()).rejects.toThrow("The control is off");
  });
});

describe("TLS", () => {
  it("serves KMS and control with a certificate made for the occasion, that others do not trust", async () => {
    const { url, endpoint } = await served({ tls: true });
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    const ca = endpoint.certificate!;
    expect(await call(url, "ListKeys", {}, ca)).toMatchObject({ status: 200 });
    expect(await new KmsControl(url, { ca }).health()).toEqual({ status: "running" });
    expect(await new KmsControl(url.replace("127.0.0.1", "localhost"), { ca }).health()).toEqual({ status: "running" });
    await expect(new KmsControl(url).health()).rejects.toThrow(/self.signed/);
  });

  it("refuses half a certificate", async () => {
    await expect(new InMemoryKms().listen({ tls: { cert: "x" } as never })).rejects.toThrow(
      "tls: must have cert and key",
    );
  });
});

describe("the end", () => {
  it("answers calls under way, and drops those that hang", async () => {
    const { endpoint, url, kms } = await served();
    kms.faults.latency(200, { operation: "ListKeys" });
    kms.faults.hang({ operation: "ListAliases" });
    const [slow, hanging] = [call(url, "ListKeys", {}), call(url, "ListAliases", {})];
    const dropped = expect(hanging).rejects.toThrow();
    // Faults are decided on when a call is taken in.
    await expect.poll(() => kms.faults.active().map(({ hits }) => hits)).toEqual([1, 1]);
    await endpoint.close();
    expect(await slow).toMatchObject({ status: 200 });
    await dropped;
  });
});
