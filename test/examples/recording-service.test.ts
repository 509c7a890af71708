import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testStepNames } from "../../src/administration.js";
import { readSettings } from "../../examples/recording-service/settings.js";
import { origin, ServiceUnderTest } from "./recording-service-under-test.js";

const recordings = "/northwind-energy/recordings";
const keys = "/northwind-energy/keys";
const alias = "arn:aws:kms:eu-central-1:111122223333:alias/recordings";
const settings = { kmsKeyAliasArn: alias, periodicKeyChange: "weekly", keyPairSpec: "X25519" };
const cookie = (role: string) => ({ cookie: `role=${role}` });

/** A line of the answer to a page that shows steps. */
type StreamedLine = Partial<Readonly<Record<"name" | "status" | "text" | "page", string>>>;

let site: ServiceUnderTest;
beforeEach(async () => {
  site = await ServiceUnderTest.open();
});
afterEach(() => site.close());

/** Every byte below the service's folder. */
async function onDisk(): Promise<Buffer> {
  const entries = await readdir(site.folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name)))));
}

describe("recordings of the example service", () => {
  it("are encrypted as they stream in, and come back whole", async () => {
    const plain = new Uint8Array(randomBytes(200_000));
    const address = await site.upload(plain);
    const disk = await onDisk();
    expect(disk.length).toBeGreaterThan(plain.length);
    for (let start = 0; start < plain.length; start += 10_000)
      expect(disk.includes(Buffer.from(plain.subarray(start, start + 32)))).toBe(false);
    const answer = await site.ask(`${address}/content`);
    expect(answer.headers.get("content-type")).toBe("audio/wav");
    expect(Buffer.from(await answer.arrayBuffer()).equals(plain)).toBe(true);
  });

  it("are sought in by Range", async () => {
    const plain = new Uint8Array(randomBytes(150_000));
    const address = await site.upload(plain);
    const answer = await site.ask(`${address}/content`, { headers: { range: "bytes=70000-70999" } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe("bytes 70000-70999/150000");
    expect(Buffer.from(await answer.arrayBuffer()).equals(plain.subarray(70_000, 71_000))).toBe(true);
  });

  it("are listed with length, size and key pair, downloaded under their names, and deleted", async () => {
    const address = await site.upload(new Uint8Array(1_500), "通話 1.wav");
    const list = await site.page(recordings);
    expect(list).toContain("通話 1.wav");
    expect(list).toMatch(/data-label="Length">0:03<.*data-label="Size">1\.5 kB<.*data-label="Key pair">1</s);
    expect(list).toContain("Confirmed key");
    const download = await site.ask(`${address}/content?download`);
    expect(download.headers.get("content-disposition")).toBe(
      `attachment; filename*=UTF-8''${encodeURIComponent("通話 1.wav")}`,
    );
    await download.body?.cancel();
    expect((await site.submit(`${address}/delete`, {})).status).toBe(303);
    expect((await site.ask(address)).status).toBe(404);
    expect(await site.page(recordings)).toContain("Nothing has been recorded yet.");
    const files = await readdir(join(site.folder, "recordings", "northwind-energy"));
    expect(files).toEqual([]);
  });

  it("come live in parts, in their order only", async () => {
    const begin = await site.ask(`${recordings}/live?name=Call&type=audio/webm;codecs=opus`, { method: "POST" });
    const { id } = (await begin.json()) as { id: string };
    const part = (number: number, text: string) =>
      site.ask(`${recordings}/live/${id}/${number}`, { method: "PUT", body: text });
    expect((await part(0, "first ")).status).toBe(204);
    expect((await part(2, "third")).status).toBe(409);
    expect((await part(1, "second")).status).toBe(204);
    const elsewhere = await site.ask(`/hinode-clinic/recordings/live/${id}/2`, { method: "PUT", body: "x" });
    expect({ status: elsewhere.status, text: await elsewhere.text() }).toEqual({
      status: 409,
      text: expect.stringContaining("This call has ended already"),
    });
    const end = await site.ask(`${recordings}/live/${id}/end?seconds=61`, { method: "POST" });
    const { address } = (await end.json()) as { address: string };
    expect(await (await site.ask(`${address}/content`)).text()).toBe("first second");
    expect(await site.page(address)).toContain("1:01");
    expect((await site.ask(`${recordings}/live/${id}/end`, { method: "POST" })).status).toBe(409);
  });

  it("that are under way are kept when the service ends", async () => {
    const begin = await site.ask(`${recordings}/live?name=Call&type=audio/webm`, { method: "POST" });
    const { id } = (await begin.json()) as { id: string };
    await site.ask(`${recordings}/live/${id}/0`, { method: "PUT", body: "said so far" });
    await site.service.liveCalls.close();
    const [entry] = await site.service.recordings.list("northwind-energy");
    expect(entry).toMatchObject({ size: 11, contentType: "audio/webm" });
  });

  it("that are no audio or video, too large, or without a name are refused, and leave nothing", async () => {
    const refused = async (query: string, type: string, more = {}) =>
      (
        await site.ask(`${recordings}${query}`, {
          method: "POST",
          body: "x",
          headers: { "content-type": type, ...more },
        })
      ).status;
    expect(await refused("?name=a.html", "text/html")).toBe(415);
    expect(await refused("?name=a.wav", "audio/wav, text/html")).toBe(415);
    expect(await refused("?name=a.wav", "audio/wav", { "content-length": "500000001" })).toBe(413);
    expect(await refused("", "audio/wav")).toBe(400);
    expect(await refused(`?name=${"a".repeat(201)}`, "audio/wav")).toBe(400);
    expect(await site.service.recordings.list("northwind-energy")).toEqual([]);
  });

  it("that are empty are refused in words, and leave nothing", async () => {
    const headers = { "content-type": "audio/wav" };
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    const upload = await site.ask(`${recordings}?name=a.wav`, { method: "POST", body, headers });
    const begin = await site.ask(`${recordings}/live?name=Call&type=audio/webm`, { method: "POST" });
    const { id } = (await begin.json()) as { id: string };
    const call = await site.ask(`${recordings}/live/${id}/end?seconds=0`, { method: "POST" });
    for (const answer of [upload, call]) {
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain("There is nothing in this recording");
    }
    expect(await readdir(join(site.folder, "recordings", "northwind-energy"))).toEqual([]);
  });

  it("of a length that nobody has recorded have none", async () => {
    const address = await site.upload(new Uint8Array(10), "call.wav", 1e308);
    expect(await site.page(address)).toMatch(/Length<\/dt>\s*<dd>–</);
  });

  it("that break off while they are uploaded leave nothing", async () => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulls += 1;
        if (pulls > 3) controller.error(new Error("the browser has left"));
        else controller.enqueue(new Uint8Array(50_000));
      },
    });
    const headers = { "content-type": "audio/wav" };
    const answer = await site.ask(`${recordings}?name=a.wav`, { method: "POST", body, headers });
    expect(answer.status).toBe(400);
    expect(await readdir(join(site.folder, "recordings", "northwind-energy"))).toEqual([]);
  });

  it("of an organization without a key are refused with the way to one", async () => {
    const path = "/hinode-clinic/recordings";
    const headers = { "content-type": "audio/wav" };
    const upload = await site.ask(`${path}?name=a.wav`, { method: "POST", body: "x", headers });
    expect(upload.status).toBe(409);
    expect(await upload.text()).toContain("names the organization&#39;s KMS key");
    expect((await site.ask(`${path}/live?name=Call&type=audio/webm`, { method: "POST" })).status).toBe(409);
    expect(await site.page(path)).toContain("No encryption key yet");
  });

  it("of one organization are not found at another", async () => {
    const address = await site.upload(new Uint8Array(10));
    expect((await site.ask(address.replace("northwind-energy", "hinode-clinic"))).status).toBe(404);
    expect((await site.ask(`${recordings}/..%2f..%2fkey-pairs`)).status).toBe(404);
  });
});

describe("an outage of the example service's KMS", () => {
  it.each(["unreachable", "throttled", "denied", "disabled"])(
    "%s: records, says why it can't play, heals",
    async (condition) => {
      const before = await site.upload(new Uint8Array(1_000).fill(1));
      await site.kms(condition);
      const during = await site.upload(new Uint8Array(1_000).fill(2));
      expect((await site.ask(`${before}/content`)).status).toBe(503);
      const page = await site.ask(before);
      expect(page.status).toBe(503);
      expect(await page.text()).toContain("This recording cannot be played now");
      const list = await site.page(recordings);
      expect(list).toContain(condition === "disabled" ? "Key at risk" : "Last known key");
      expect(list).toMatch(/Encrypting with (the last confirmed key|a key that is at risk)/);
      const settingsPage = await site.page(keys);
      expect(settingsPage).toContain("Last error of AWS KMS");
      expect(settingsPage).toContain("What to do");

      await site.kms("available");
      expect(new Uint8Array(await (await site.ask(`${before}/content`)).arrayBuffer())).toEqual(
        new Uint8Array(1_000).fill(1),
      );
      expect(new Uint8Array(await (await site.ask(`${during}/content`)).arrayBuffer())).toEqual(
        new Uint8Array(1_000).fill(2),
      );
      expect(await site.page(recordings)).toContain("confirmed by AWS KMS");
    },
  );
});

describe("encryption keys of the example service", () => {
  it("are tested without being saved", async () => {
    const good = await site.submit(`${keys}/test`, settings);
    expect(good.status).toBe(200);
    expect(await good.text()).toContain("The key passed its test. Nothing was saved.");
    const bad = await site.submit(`${keys}/test`, {
      ...settings,
      kmsKeyAliasArn: alias.replace("recordings", "not-permitted"),
    });
    expect(bad.status).toBe(422);
    const text = await bad.text();
    expect(text).toContain("The key did not pass its test. Nothing was saved.");
    expect(text).toContain("AccessDeniedException");
    expect((await site.submit(`${keys}/test`, { ...settings, kmsKeyAliasArn: "my key" })).status).toBe(400);
    expect((await (await site.service.keyStores.for("northwind-energy")).keyPairs()).items).toHaveLength(1);
  });

  describe("that are tested for a page that shows each step", () => {
    const send = (action: string, fields = settings, headers = {}) =>
      site.submit(`${keys}/${action}`, fields, { accept: "application/x-ndjson", ...headers });
    const linesOf = (text: string) =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as StreamedLine);

    it("are told of one by one, before the next has ended, and then the page", async () => {
      const kms = site.holdDecrypt();
      const answer = await send("test");
      expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      const readLines = async (count: number) => {
        while (linesOf(text).length < count) text += (await reader?.read())?.value ?? "";
        return linesOf(text);
      };
      expect(await readLines(2)).toEqual([
        { name: "make-key-pair", status: "passed", text: expect.stringMatching(/^passed, [\d.]+ ms$/) },
        { name: "encrypt-test-data", status: "passed", text: expect.stringMatching(/^passed, [\d.]+ ms$/) },
      ]);
      kms.release();
      const lines = await readLines(8);
      expect(lines.slice(0, 7).map(({ name, status }) => ({ name, status }))).toEqual(
        testStepNames.map((name) => ({ name, status: "passed" })),
      );
      expect(lines[7]?.page).toContain("The key passed its test. Nothing was saved.");
      expect((await reader?.read())?.done).toBe(true);
      expect((await (await site.service.keyStores.for("northwind-energy")).keyPairs()).items).toHaveLength(1);
    });

    it("end with what to do where a step fails", async () => {
      const failing = { ...settings, kmsKeyAliasArn: alias.replace("recordings", "switched-off") };
      const lines = linesOf(await (await send("test", failing)).text());
      expect(lines.slice(0, 7).map(({ status }) => status)).toEqual(["failed", ...Array<string>(6).fill("skipped")]);
      expect(lines[7]?.page).toMatch(/The key did not pass its test[^]*What to do[^]*DisabledException/);
    });

    it.each([
      ["a permission that is missing", {}, cookie("viewer"), "You may not do this"],
      ["what is no ARN", { kmsKeyAliasArn: "my key" }, {}, "This is no ARN of a KMS key alias."],
    ])("end with %s at once", async (_, fields, headers, said) => {
      for (const action of ["test", "save"]) {
        const lines = linesOf(await (await send(action, { ...settings, ...fields }, headers)).text());
        expect(lines).toEqual([{ page: expect.stringContaining(said) }]);
      }
    });

    it("are saved with them", async () => {
      const lines = linesOf(await (await send("save")).text());
      expect(lines.map(({ status }) => status)).toEqual([...Array<string>(7).fill("passed"), undefined]);
      expect(lines[7]?.page).toContain("Saved. A new key pair encrypts from now on.");
    });

    it("are tested no longer than the visitor waits, and saved all the same", async () => {
      const kms = site.holdDecrypt();
      const tested = await send("test");
      const signal = await kms.begun;
      await tested.body?.cancel();
      await expect.poll(() => signal?.aborted).toBe(true);
      kms.release();

      await (await send("save")).body?.cancel();
      const keyStore = await site.service.keyStores.for("northwind-energy");
      await expect.poll(async () => (await keyStore.keyPairs()).items.length).toBe(2);
    });
  });

  it.each([
    [
      "of another account",
      { kmsKeyAliasArn: alias.replace("111122223333", "999999999999") },
      "is in account 111122223333",
    ],
    ["under no ARN", { kmsKeyAliasArn: "alias/recordings" }, "This is no ARN of a KMS key alias."],
    ["with a period of their own", { periodicKeyChange: "hourly" }, "from their lists"],
    ["of a spec of their own", { keyPairSpec: "RSA_1" }, "from their lists"],
  ])("%s are refused in words that say which field is wrong", async (_, wrong, said) => {
    const answer = await site.submit(`${keys}/save`, { ...settings, ...wrong });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(said);
  });

  it("are saved and changed, with who did it", async () => {
    expect((await site.submit(`${keys}/save`, settings)).headers.get("location")).toBe(`${keys}?done=saved`);
    expect((await site.submit(`${keys}/rotate`, {})).headers.get("location")).toBe(`${keys}?done=changed`);
    const page = await site.page(keys);
    expect(page.match(/data-label="Why">[^<]+/g)).toEqual(
      ["On demand", "Settings saved", "Settings saved"].map((why) => `data-label="Why">${why}`),
    );
    expect(page.match(/Administrator|Set-up/g)).toEqual(["Administrator", "Administrator", "Set-up"]);
    expect(page).toContain('<option value="weekly" selected>');
  });

  it("that fail their test are not saved", async () => {
    const answer = await site.submit(`${keys}/save`, {
      ...settings,
      kmsKeyAliasArn: alias.replace("recordings", "switched-off"),
    });
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain("Not saved");
    expect(await site.page(keys)).toContain('<option value="monthly" selected>');
  });

  it("are listed in pages", async () => {
    for (let count = 0; count < 11; count += 1) await site.submit(`${keys}/rotate`, {});
    const numbers = (page: string) => [...page.matchAll(/scope="row">(\d+)</g)].map(([, number]) => Number(number));
    const first = await site.page(keys);
    expect(numbers(first)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    const cursor = /\?cursor=([^#"]+)#history/.exec(first)?.[1] ?? "";
    expect(numbers(await site.page(`${keys}?cursor=${cursor}`))).toEqual([2, 1]);
    expect((await site.ask(`${keys}?cursor=made-up`)).status).toBe(400);
  });

  it("begin for an organization that has none", async () => {
    const path = "/hinode-clinic/keys";
    expect(await site.page(path)).toContain("No key pair has been made yet");
    const kmsKeyAliasArn = "arn:aws:kms:ap-northeast-1:222233334444:alias/recordings";
    expect((await site.submit(`${path}/save`, { ...settings, kmsKeyAliasArn })).status).toBe(303);
    expect(await site.page("/hinode-clinic/recordings")).toContain("Encrypting with key pair 1, confirmed by AWS KMS");
  });

  it("can't be changed while KMS is away, and say so", async () => {
    await site.kms("unreachable");
    const answer = await site.submit(`${keys}/rotate`, {});
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("The key was not changed.");
  });

  it("have a policy to paste, and a check of one", async () => {
    const page = await site.page(keys);
    expect(page).toContain("&quot;AWS&quot;: &quot;arn:aws:iam::444455556666:root&quot;");
    const check = (policy: string) => site.submit(`${keys}/check-policy`, { policy }).then((answer) => answer.text());
    expect(await check('{"Version":"2012-10-17","Statement":[]}')).toContain("the organization is not served");
    const statements = /<code>(\[.*?\])<\/code>/s.exec(page)?.[1]?.replaceAll("&quot;", '"') ?? "";
    expect(await check(JSON.stringify({ Version: "2012-10-17", Statement: JSON.parse(statements) }))).toContain(
      "This policy serves the organization.",
    );
    expect((await site.submit(`${keys}/check-policy`, { policy: "x".repeat(70_000) })).status).toBe(413);
  });
});

describe("permissions of the example service", () => {
  it("to view let a visitor see everything and change nothing", async () => {
    const page = await site.page(keys, { headers: cookie("viewer") });
    expect(page).toContain("You may see these settings, but not change them.");
    expect(page).toContain("<fieldset disabled>");
    for (const action of ["test", "save", "rotate"])
      expect((await site.submit(`${keys}/${action}`, settings, cookie("viewer"))).status).toBe(403);
    expect((await (await site.service.keyStores.for("northwind-energy")).keyPairs()).items).toHaveLength(1);
  });

  it("that are missing leave no page", async () => {
    expect((await site.ask(keys, { headers: cookie("agent") })).status).toBe(404);
    for (const action of ["test", "save", "rotate", "check-policy"])
      expect((await site.submit(`${keys}/${action}`, settings, cookie("agent"))).status).toBe(404);
    expect(await site.page(recordings, { headers: cookie("agent") })).not.toContain("Encryption keys");
  });

  it("are chosen by the demonstration's switch", async () => {
    const fields = { organization: "hinode-clinic", role: "viewer", section: "keys" };
    const answer = await site.submit("/demonstration", fields);
    expect(answer.headers.get("location")).toBe("/hinode-clinic/keys");
    expect(answer.headers.get("set-cookie")).toMatch(/^role=viewer;.*HttpOnly; SameSite=Strict$/);
    expect((await site.submit("/demonstration", { ...fields, role: "owner" })).status).toBe(400);
  });
});

describe("pages of the example service", () => {
  it("escape what others write", async () => {
    const address = await site.upload(new Uint8Array(10), `<img src=x onerror="alert(1)">'&`);
    for (const path of [recordings, address]) {
      const page = await site.page(path);
      expect(page).not.toContain("<img src=x");
      expect(page).toContain("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#39;&amp;");
    }
    const tested = await site.submit(`${keys}/test`, { ...settings, kmsKeyAliasArn: `"><script>alert(1)</script>` });
    expect(await tested.text()).not.toContain("<script>alert");
    const checked = await site.submit(`${keys}/check-policy`, { policy: "</textarea><script>alert(1)</script>" });
    expect(await checked.text()).not.toContain("<script>alert");
  });

  it("refuse changes that other sites ask for, and other hosts' names", async () => {
    for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }, { origin: "" }])
      expect((await site.submit(`${keys}/rotate`, {}, headers)).status).toBe(403);
    expect((await (await site.service.keyStores.for("northwind-energy")).keyPairs()).items).toHaveLength(1);
    expect((await site.ask(recordings, {}, "http://rebound.example:8080")).status).toBe(403);
  });

  it("allow no script, style or frame but their own", async () => {
    const { headers } = await site.ask(recordings);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    const address = await site.upload(new Uint8Array(10));
    const content = await site.ask(`${address}/content`);
    expect(content.headers.get("content-security-policy")).toBe("default-src 'none'; sandbox");
    for (const path of [recordings, address, keys])
      expect(await site.page(path)).not.toMatch(/<style|\s(?:style|on[a-z]+)=/);
  });

  it("are in the browser's language, or the one that was chosen", async () => {
    const title = async (headers: Record<string, string>, query = "") =>
      /<html lang="(\w+)"/.exec(await site.page(`${recordings}${query}`, { headers }))?.[1];
    expect(await title({})).toBe("en");
    expect(await title({ "accept-language": "ja-JP,ja;q=0.9,en;q=0.8" })).toBe("ja");
    expect(await title({ "accept-language": "fr, en;q=0.5, ja;q=0.7" })).toBe("ja");
    expect(await title({ "accept-language": "ja", cookie: "language=en" })).toBe("en");
    expect(await title({}, "?lang=ja")).toBe("ja");
    expect((await site.ask(`${recordings}?lang=ja`)).headers.get("set-cookie")).toContain("language=ja");
    expect(await title({ cookie: "language=__proto__" })).toBe("en");
  });

  it("explain errors of KMS in Japanese too", async () => {
    await site.kms("denied");
    const page = await site.page(keys, { headers: { "accept-language": "ja" } });
    expect(page).toContain("録音サービスにこの KMS キーの使用が許可されていません。");
    expect(page).toContain("最後に確認されたキーで暗号化しています");
  });

  it("are found by an address that nearly is theirs, at this service alone", async () => {
    const to = async (path: string) => (await site.ask(path)).headers.get("location");
    for (const action of ["test", "save", "rotate", "check-policy"])
      expect(await to(`${keys}/${action}?lang=ja`)).toBe(keys);
    expect(await to(`${recordings}/`)).toBe(recordings);
    expect(await to("/northwind-energy")).toBe(recordings);
    expect(await to("//evil.example/")).toBeNull();
    expect(await to("/nothing")).toBeNull();
  });

  it("have a next step where nothing is", async () => {
    const answer = await site.ask("/northwind-energy/nothing");
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain('href="/northwind-energy/recordings"');
    expect((await site.ask("/assets/settings.ts")).status).toBe(404);
    expect((await site.ask("/assets/style.css")).headers.get("content-type")).toContain("text/css");
  });
});

describe("settings of the example service", () => {
  it("refuse what would lose recordings, and what is no setting", () => {
    expect(() => readSettings({ SERVICE_DATA: "/data" })).toThrow(/SERVICE_KMS=aws/);
    expect(() => readSettings({ SERVICE_KMS: "aws" })).toThrow(/SERVICE_DATA/);
    expect(() => readSettings({ SERVICE_KMS: "gcp" })).toThrow(/embedded or aws/);
    expect(() => readSettings({ SERVICE_ORIGIN: `${origin}/path` })).toThrow(/SERVICE_ORIGIN/);
    expect(readSettings({ PORT: "8080" })).toMatchObject({ port: 8080, host: "127.0.0.1", kms: "embedded" });
  });
});
