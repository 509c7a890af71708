import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { kmsError } from "../../src/kms/kms-error.js";
import { choose, Site, startBrowser, visit, type Visit } from "./browser.js";
import * as inPage from "./in-page.js";
import { secondAt, tonesWav } from "./tones.js";

const recordings = "/northwind-energy/recordings";
const keys = "/northwind-energy/keys";
const oneRecording = /\/northwind-energy\/recordings\/[0-9a-f-]{36}$/;

let browser: Browser;
let site: Site;
let visited: Visit;
let page: Page;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  site = await Site.open();
  visited = await visit(browser, { baseURL: site.address });
  page = visited.page;
});
afterEach(async () => {
  await visited.context.close();
  await site.close();
  expect(visited.faults).toEqual([]);
});

async function upload(bytes: Buffer, name = "tones.wav"): Promise<void> {
  await page.goto(recordings);
  await page.locator("input[type=file]").setInputFiles({ name, mimeType: "audio/wav", buffer: bytes });
  await page.getByRole("button", { name: "Upload" }).click();
  await page.waitForURL(oneRecording);
}

describe("a recording in the browser", () => {
  it("is made from the microphone, sent each second, and plays", async () => {
    await page.goto(recordings);
    const third = page.waitForResponse((response) => /\/live\/[0-9a-f-]+\/2$/.test(response.url()));
    await page.getByRole("button", { name: "Record" }).click();
    expect((await third).status()).toBe(204);
    await page.getByRole("button", { name: "Stop and save" }).click();
    await page.waitForURL(oneRecording);
    await page.waitForFunction(inPage.knownLength);
    const { seconds, loudest } = await page.evaluate(inPage.decoded);
    expect(seconds).toBeGreaterThan(0);
    expect(loudest).toBeGreaterThan(0.01); // the microphone beeps
    expect(await page.evaluate(inPage.playSecondHalf)).toBeGreaterThan(seconds / 2);
    await page.route("**/assets/service.js", async (route) => {
      await sleep(3_000);
      await route.continue();
    });
    await page.reload();
    await page.waitForFunction(inPage.knownLength); // also where the player was faster than the page's script
    await page.goto(recordings);
    expect(await page.locator("tbody tr").count()).toBe(1);
    expect(await page.locator("tbody").innerText()).toContain("Confirmed key");
  });

  it("is uploaded, and sounds in its middle as it was recorded there", async () => {
    const wav = tonesWav(600);
    await upload(wav);
    const asked: string[] = [];
    page.on("request", (request) => {
      const { range } = request.headers();
      if (range !== undefined) asked.push(range);
    });
    const { at, frequency } = await page.evaluate(inPage.hear, 420);
    expect(secondAt(frequency)).toBeGreaterThan(419);
    expect(secondAt(frequency)).toBeLessThan(at + 2); // what plays has moved on since it was heard
    // It was sought: the player asked for bytes of that place, and not for all before it.
    const place = 44 + 2 * 8_000 * 420;
    const starts = asked.map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));
    expect(starts.some((start) => start > wav.length / 2 && start <= place)).toBe(true);
    const middle = await page.evaluate(inPage.rangeOf, `bytes=${place}-${place + 999}`);
    expect(middle.status).toBe(206);
    expect(Buffer.from(middle.bytes).equals(wav.subarray(place, place + 1_000))).toBe(true);
  });

  it("is deleted after a question", async () => {
    await upload(tonesWav(1));
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    expect(page.url()).toMatch(oneRecording);
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.waitForURL(`**${recordings}`);
    await page.getByText("Nothing has been recorded yet.").waitFor();
  });

  it("that this browser cannot play is said to be so, once", async () => {
    let asked = 0;
    await upload(Buffer.alloc(10_000, 7), "odd.wav");
    page.on("request", (request) => (asked += Number(request.url().endsWith("/content"))));
    await page.getByText("This browser cannot play this file.").waitFor();
    const before = asked;
    await sleep(1_000); // in which it would ask again and again
    expect(asked).toBe(before);
  });

  it("that is empty is refused in words", async () => {
    await page.goto(recordings);
    const file = { name: "empty.wav", mimeType: "audio/wav", buffer: Buffer.alloc(0) };
    await page.locator("input[type=file]").setInputFiles(file);
    await page.getByRole("button", { name: "Upload" }).click();
    await page.locator("form.upload").getByText("There is nothing in this recording").waitFor();
  });

  it("that is no audio is refused in words", async () => {
    await page.goto(recordings);
    const file = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no audio") };
    await page.locator("input[type=file]").setInputFiles(file);
    await page.getByRole("button", { name: "Upload" }).click();
    await page.locator("form.upload").getByText("This is no audio or video").waitFor();
  });
});

describe("an outage in the browser", () => {
  it("leaves recording alone, says why nothing plays, and heals under the reader's eyes", async () => {
    await upload(tonesWav(5), "before.wav");
    await choose(page, { kms: "unreachable" });
    await page.getByText("Encrypting with the last confirmed key").waitFor();
    await upload(tonesWav(5), "during.wav");
    await page.getByText("This recording cannot be played now").waitFor();
    await site.under.kms("available");
    await page.locator("audio").waitFor(); // the page looks again by itself
    await page.waitForFunction(inPage.knownLength);
    expect(await page.evaluate(inPage.knownLength)).toBe(5);
    await page.goto(recordings);
    expect(await page.locator("tbody tr").allInnerTexts()).toEqual([
      expect.stringMatching(/during\.wav[^]*Last known key/),
      expect.stringMatching(/before\.wav[^]*Confirmed key/),
    ]);
    await page.getByText("confirmed by AWS KMS").waitFor();
  });

  it("in the middle of playing is explained", async () => {
    await upload(tonesWav(600));
    await page.waitForFunction(inPage.knownLength);
    await site.under.kms("disabled");
    await page.evaluate(inPage.seek, 500);
    await page.getByText("AWS KMS refuses the key").waitFor();
  });
});

describe("encryption keys in the browser", () => {
  it("are tested, saved and changed without a mouse, and the focus is where the answer is", async () => {
    await page.goto(keys);
    const alias = page.getByLabel("ARN of the KMS key alias");
    const answer = page.locator("[data-focus]");
    const press = async (name: string) => {
      await page.getByRole("button", { name }).focus();
      await page.keyboard.press("Enter");
    };
    const saved = await alias.inputValue();
    await alias.fill(saved.replace("recordings", "not-permitted"));
    await press("Test");
    await page.getByText("The key did not pass its test. Nothing was saved.").waitFor();
    await page.waitForFunction(inPage.focusIsOnAnswer);
    expect(await answer.innerText()).toContain("AccessDeniedException");

    await alias.fill(saved);
    await press("Test");
    await page.getByText("The key passed its test. Nothing was saved.").waitFor();
    expect(await answer.locator("li.passed").count()).toBe(7);
    expect(await page.locator("#history tbody tr").count()).toBe(1);

    await page.getByLabel("Periodic key change").selectOption("yearly");
    await press("Save");
    await page.getByText("Saved. A new key pair encrypts from now on.").waitFor();
    await press("Change key now");
    await page.getByText("Changed. A new key pair encrypts from now on.").waitFor();
    expect(await page.locator("#history tbody tr").count()).toBe(3);
    expect(await page.locator("#history tbody tr").first().innerText()).toMatch(
      /3[^]*On demand[^]*Administrator[^]*Active/,
    );
    expect(await page.getByLabel("Periodic key change").inputValue()).toBe("yearly");
  });

  it("show each step of a test as it ends, tell of it once, and end with the verdict", async () => {
    const kms = site.under.holdDecrypt();
    await page.goto(keys);
    await page.evaluate(inPage.listen);
    await page.getByRole("button", { name: "Test" }).click();
    const step = (name: string) => page.locator(`li[data-step="${name}"]`);
    await page.locator('li.running[data-step="unwrap-private-key"]').waitFor();
    await page.waitForFunction(inPage.focusIsOnAnswer);
    expect(await step("make-key-pair").innerText()).toMatch(/passed, [\d.]+ ms$/);
    expect(await step("unwrap-private-key").innerText()).toMatch(/under way…$/);
    for (const [status, count] of Object.entries({ passed: 2, running: 1, waiting: 4 }))
      expect(await page.locator(`.steps li.${status}`).count(), status).toBe(count);
    expect(await page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);

    kms.release();
    await page.getByText("The key passed its test. Nothing was saved.").waitFor();
    await page.waitForFunction(inPage.focusIsOnAnswer);
    expect((await page.evaluate(inPage.heard)).map((text) => text.replace(/, [\d.]+ ms$/, ""))).toEqual([
      "Make a key pair under the KMS key: passed",
      "Encrypt test data: passed",
      "Have AWS KMS unwrap the private key: passed",
      "Decrypt the test data and compare: passed",
      "Have AWS KMS confirm the public key: passed",
      "Find the key in the home Region: passed",
      "Look at the key's type and state: passed",
    ]);
    expect(await page.locator("#history tbody tr").count()).toBe(1);
  });

  it("show the step that fails, and what to do", async () => {
    const kms = site.under.holdDecrypt();
    await page.goto(keys);
    await page.evaluate(inPage.listen);
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator('li.running[data-step="unwrap-private-key"]').waitFor();
    kms.release(kmsError("access-denied", { operation: "Decrypt", message: "not allowed" }));
    await page.getByText("Not saved: the key did not pass its test.").waitFor();
    const outcome = page.locator("[data-focus]");
    expect(await outcome.locator("li.failed").innerText()).toMatch(/^Have AWS KMS unwrap the private key/);
    expect(await outcome.innerText()).toContain("What to do");
    expect((await page.evaluate(inPage.heard)).at(-1)).toMatch(/^Have AWS KMS unwrap the private key: failed/);
  });

  it("say where a test breaks off, and keep what was typed", async () => {
    await page.goto(keys);
    await page.getByLabel("ARN of the KMS key alias").fill("arn:aws:kms:eu-central-1:111122223333:alias/typed");
    await page.route("**/keys/test", (route) => route.abort());
    await page.getByRole("button", { name: "Test" }).click();
    await page.getByText("The service did not answer.").waitFor();
    expect(await page.locator("[data-focus]").count()).toBe(0);
    expect(await page.getByLabel("ARN of the KMS key alias").inputValue()).toMatch(/alias\/typed$/);
    expect(await page.evaluate(inPage.focused)).toMatchObject({ text: "Test" });
  });

  it("are tested and saved without scripts too, with the steps at the end", async () => {
    const plain = await visit(browser, { baseURL: site.address, javaScriptEnabled: false });
    try {
      await plain.page.goto(keys);
      await plain.page.getByRole("button", { name: "Test" }).click();
      await plain.page.getByText("The key passed its test. Nothing was saved.").waitFor();
      expect(await plain.page.locator(".steps li.passed").count()).toBe(7);
      await plain.page.goto(keys);
      await plain.page.getByRole("button", { name: "Save" }).click();
      await plain.page.getByText("Saved. A new key pair encrypts from now on.").waitFor();
      expect(await plain.page.locator(".steps").count()).toBe(0); // what scripts use stays hidden
    } finally {
      await plain.context.close();
    }
  });

  it("have a policy that is copied, and found good when it is pasted", async () => {
    await visited.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: site.address });
    await page.goto(keys);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByText("Copied").waitFor();
    const statements = await page.evaluate(inPage.copiedText);
    await page.getByLabel("Key policy, as JSON").fill(`{"Version":"2012-10-17","Statement":${statements}}`);
    await page.getByRole("button", { name: "Check" }).click();
    await page.getByText("This policy serves the organization.").waitFor();
  });

  it("are shown to viewers who change nothing, and not at all to others", async () => {
    await page.goto(keys);
    await choose(page, { role: "viewer" });
    for (const name of ["Test", "Save", "Change key now"])
      expect(await page.getByRole("button", { name }).isDisabled()).toBe(true);
    await choose(page, { role: "agent" });
    expect(await page.getByRole("link", { name: "Encryption keys" }).count()).toBe(0);
    expect((await page.goto(keys))?.status()).toBe(404);
    await page.getByText("There is no such page").waitFor();
  });
});

describe("languages in the browser", () => {
  it("are the browser's, until the reader chooses one", async () => {
    const japanese = await visit(browser, { baseURL: site.address, locale: "ja-JP" });
    try {
      await japanese.page.goto(recordings);
      await japanese.page.getByRole("heading", { name: "通話を録音" }).waitFor();
      await japanese.page.getByRole("link", { name: "English" }).click();
      await japanese.page.getByRole("heading", { name: "Record a call" }).waitFor();
      await japanese.page.goto(keys);
      await japanese.page.getByRole("heading", { name: "Encryption keys" }).waitFor();
      expect(japanese.faults).toEqual([]);
    } finally {
      await japanese.context.close();
    }
  });

  it("has a way past the navigation", async () => {
    await page.goto(recordings);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(inPage.focused)).toMatchObject({ text: "Skip to the content" });
    await page.keyboard.press("Enter");
    expect(await page.evaluate(inPage.focused)).toMatchObject({ id: "content" });
  });
});
