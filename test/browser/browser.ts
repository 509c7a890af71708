import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { ServiceUnderTest } from "../examples/recording-service-under-test.js";
import * as inPage from "./in-page.js";

/** Longest wait for anything on a page, in ms: a wait that ends is a failure, never a measure. */
const patience = 240_000;

/** Starts Chromium with a microphone that beeps. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    timeout: patience,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
}

/** The example service on a port of loopback. */
export class Site {
  readonly address: string;
  readonly under: ServiceUnderTest;
  readonly #server: ReturnType<typeof serve>;

  static async open(): Promise<Site> {
    const under = await ServiceUnderTest.open();
    const server = serve({ fetch: under.fetch, hostname: "127.0.0.1", port: 0 });
    if (!server.listening) await once(server, "listening");
    return new Site(under, server);
  }

  private constructor(under: ServiceUnderTest, server: ReturnType<typeof serve>) {
    this.under = under;
    this.#server = server;
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    if ("closeAllConnections" in this.#server) this.#server.closeAllConnections();
    this.#server.close();
    await this.under.close();
  }
}

/** A page of its own, and what went wrong on it: scripts that fail, and what the Content-Security-Policy refuses. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly faults: readonly string[];
}

export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // What the service answers with a status of an error is shown on the page.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      faults.push(message.text());
  });
  return { page, context, faults };
}

/** Throws the demonstration's switch as a visitor does. */
export async function choose(page: Page, choices: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(choices)) await page.locator(`select[name=${name}]`).selectOption(value);
  await page.evaluate(inPage.leave);
  await page.locator("form.demo button").click();
  await page.waitForFunction(inPage.isNewPage);
}
