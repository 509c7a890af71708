import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../", import.meta.url);

interface Lock {
  packages: Record<string, { version?: string; optional?: boolean }>;
}

function lockAt(place: string): Lock | undefined {
  const file = new URL(place, folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Lock) : undefined;
}

/** Installs the peers unless those that the lock file names are there. They are no part of the library's own install. */
export function installPeers(): void {
  const wanted = Object.entries(lockAt("package-lock.json")?.packages ?? {});
  const installed = lockAt("node_modules/.package-lock.json")?.packages ?? {};
  if (
    wanted.every(([place, { version, optional }]) => place === "" || optional || installed[place]?.version === version)
  )
    return;
  console.error("Installing the peers (once) …");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  // npm gives its scripts its own path; without it the one on PATH must do.
  const npm = process.env["npm_execpath"];
  const options = { cwd: fileURLToPath(folder), stdio: ["ignore", 2, 2] as ["ignore", number, number] };
  const { status, error } = npm
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (status !== 0) throw new Error("the peers could not be installed", { cause: error });
}
