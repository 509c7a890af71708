import { writeFile } from "node:fs/promises";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Site, startBrowser, visit } from "./browser.js";
import * as inPage from "./in-page.js";
import { tonesWav } from "./tones.js";

const alias = "arn:aws:kms:eu-central-1:111122223333:alias/not-permitted";

/** Every page, in each of the states that it has. What is done to get there is done by the service's own requests. */
const pages: Readonly<Record<string, (page: Page, site: Site) => Promise<unknown>>> = {
  recordings: (page) => page.goto("/northwind-energy/recordings"),
  "recordings-none": (page) => page.goto("/hinode-clinic/recordings"),
  recording: async (page) => {
    await page.goto("/northwind-energy/recordings");
    await page.locator("tbody th a").first().click();
    await page.waitForFunction(inPage.knownLength);
  },
  keys: (page) => page.goto("/northwind-energy/keys"),
  "keys-none": (page) => page.goto("/hinode-clinic/keys"),
  "keys-test": async (page) => {
    await page.goto("/northwind-energy/keys");
    await page.locator("#arn").fill(alias);
    await page.locator("button[formaction]").click();
    await page.locator(".steps").waitFor();
  },
  "keys-testing": async (page, site) => {
    site.under.holdDecrypt(); // the test ends with its page
    await page.goto("/northwind-energy/keys");
    await page.getByRole("button", { name: /^(Test|テスト)$/ }).click();
    await page.locator('li.running[data-step="unwrap-private-key"]').waitFor();
  },
  "keys-policy": async (page) => {
    await page.goto("/northwind-energy/keys");
    await page.locator("#policy").fill('{"Version":"2012-10-17","Statement":[]}');
    await page.locator("#policy-check button").click();
    await page.locator(".findings").waitFor();
  },
  "keys-outage": async (page, site) => {
    await site.under.kms("unreachable");
    await page.goto("/northwind-energy/keys");
  },
  "keys-disabled": async (page, site) => {
    await site.under.kms("disabled");
    await page.goto("/northwind-energy/keys");
  },
  "recording-outage": async (page, site) => {
    await site.under.kms("unreachable");
    await page.goto("/northwind-energy/recordings");
    await page.locator("tbody th a").first().click();
    await page.locator("#player .headline").waitFor();
  },
  "not-found": (page) => page.goto("/northwind-energy/nothing"),
};

const desktop = { width: 1180, height: 760 };
const phone = { width: 360, height: 740 };
const views = [
  [desktop, "light"],
  [desktop, "dark"],
  [phone, "light"],
  [phone, "dark"],
] as const;

/** What stands in the documents. */
const pictures = [
  { page: "recordings", viewport: desktop, scheme: "light", whole: false, file: "recordings" },
  { page: "recording", viewport: desktop, scheme: "dark", whole: false, file: "recording" },
  { page: "keys", viewport: desktop, scheme: "light", whole: true, file: "keys" },
  { page: "keys-test", viewport: desktop, scheme: "light", whole: false, file: "keys-test" },
  { page: "keys-testing", viewport: desktop, scheme: "dark", whole: false, file: "keys-testing" },
  { page: "keys-policy", viewport: phone, scheme: "light", whole: false, file: "keys-phone" },
  { page: "keys-outage", viewport: desktop, scheme: "dark", whole: false, file: "keys-outage" },
  { page: "recording-outage", viewport: phone, scheme: "dark", whole: false, file: "recording-outage" },
  { page: "not-found", viewport: desktop, scheme: "light", whole: false, file: "not-found" },
] as const;

let browser: Browser;
let site: Site;
beforeAll(async () => {
  browser = await startBrowser();
  site = await Site.open();
  const wav = tonesWav(186);
  await site.under.upload(new Uint8Array(wav), "Call 4711.wav", 186);
  await site.under.submit("/northwind-energy/keys/rotate", {});
  await site.under.kms("unreachable");
  await site.under.upload(new Uint8Array(wav.subarray(0, 700_000)), "Call 4712.wav", 43);
  await site.under.kms("available");
  await site.under.upload(new Uint8Array(wav.subarray(0, 1_900_000)), "Call 4713.wav", 118);
});
afterAll(async () => {
  await browser.close();
  await site.close();
});

/** Takes a picture for the documents, where they show this page like this. */
async function takePicture(
  page: Page,
  name: string,
  language: string,
  viewport: typeof desktop,
  colorScheme: "light" | "dark",
): Promise<void> {
  const shown = pictures.find((one) => one.page === name && one.viewport === viewport && one.scheme === colorScheme);
  if (!shown) return;
  const png = await page.screenshot({ fullPage: shown.whole, animations: "disabled" });
  const webp = await page.evaluate(inPage.webpOf, png.toString("base64"));
  await writeFile(new URL(`../../docs/images/${shown.file}-${language}.webp`, import.meta.url), Buffer.from(webp));
}

describe.each(["en-GB", "ja-JP"])("pages in %s", (locale) => {
  it.each(Object.keys(pages))(
    "%s is accessible in light and dark, and scrolls in one direction on a phone",
    async (name) => {
      const { page, context, faults } = await visit(browser, { baseURL: site.address, locale, bypassCSP: true });
      try {
        await page.emulateMedia({ reducedMotion: "reduce" });
        await page.setViewportSize(desktop);
        await pages[name]?.(page, site);
        await page.evaluate(axe.source);
        for (const [viewport, colorScheme] of views) {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize(viewport);
          const where = `${viewport.width} wide, ${colorScheme}`;
          expect(await page.evaluate(inPage.violations), where).toEqual([]);
          expect(await page.evaluate(inPage.pageWidth), where).toBeLessThanOrEqual(viewport.width);
          if (process.env["SCREENSHOTS"]) await takePicture(page, name, locale.slice(0, 2), viewport, colorScheme);
        }
        expect(faults).toEqual([]);
      } finally {
        await context.close();
        await site.under.kms("available");
      }
    },
  );
});
