/*
 * The example recording service: `npm run service`. README.md beside this file says what there is to see.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { serve } from "@hono/node-server";
import { createApp } from "./app.js";
import { openService } from "./service.js";
import { readSettings } from "./settings.js";

process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

/** Opens the page where somebody sits before a terminal and a browser. */
function openPage(address: string): void {
  const { CI, DISPLAY, WAYLAND_DISPLAY, BROWSER } = process.env;
  if (!process.stdout.isTTY || CI || BROWSER === "none") return;
  const openers: Partial<Record<NodeJS.Platform, [string, string[]]>> = {
    darwin: ["open", [address]],
    win32: ["explorer.exe", [address]],
    linux: ["xdg-open", [address]],
  };
  const opener = openers[process.platform];
  if (!opener || (process.platform === "linux" && !DISPLAY && !WAYLAND_DISPLAY)) return;
  const child = spawn(...opener, { stdio: "ignore", detached: true });
  child.on("error", () => undefined); // the address stands on the terminal
  child.unref();
}

const settings = readSettings(process.env);
const service = await openService(settings);
const server = serve({ fetch: createApp(service).fetch, hostname: settings.host, port: settings.port });
await once(server, "listening").catch(async (error: unknown) => {
  console.error(`Cannot listen: ${error instanceof Error ? error.message : String(error)}. PORT chooses another port.`);
  await service.close();
  process.exit(1);
});
const { port } = server.address() as { port: number };
const address = settings.origin ?? `http://localhost:${port}`;
console.log(`The recording service is at ${address}/ (Ctrl-C ends it)`);
openPage(`${address}/`);

await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
server.close();
await service.close();
process.exit();
