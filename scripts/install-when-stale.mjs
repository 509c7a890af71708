// Runs before `npm start`: installs and builds only what is missing or stale, so that the second start is quick.
// Plain Node without dependencies, because on a fresh clone there are none yet.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => path.join(root, ...parts);

function modified(file) {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function newest(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(
    ...entries.filter((entry) => entry.isFile()).map((entry) => modified(path.join(entry.parentPath, entry.name))),
  );
}

function npm(reason, args) {
  process.stdout.write(`${reason}\n`);
  // npm gives its scripts its own path; without it (`node scripts/install-when-stale.mjs`) the one on PATH must do.
  const cli = process.env["npm_execpath"];
  const options = { cwd: root, stdio: ["ignore", "inherit", "inherit"] };
  const { status, error } = cli
    ? spawnSync(process.execPath, [cli, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const { exports, engines } = JSON.parse(readFileSync(at("package.json"), "utf8"));
const needed = engines.node.replace(">=", "");
if (needed.localeCompare(process.versions.node, undefined, { numeric: true }) > 0) {
  process.stderr.write(`This needs Node ${needed} or newer; you run ${process.versions.node}.\n`);
  process.exit(1);
}

const packagesIn = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : undefined);
const wanted = packagesIn(at("package-lock.json"));
// npm writes this file at the end of every complete install. Its contents count, for a copied tree has other times.
const installed = packagesIn(at("node_modules", ".package-lock.json"));
const isInstalled = ([place, { version, optional }]) =>
  place === "" || optional || installed[place]?.version === version;
if (!installed || !Object.entries(wanted).every(isInstalled)) {
  // `npm ci` also builds, through `prepare`.
  npm(installed ? "Dependencies have changed, installing …" : "Installing dependencies (once) …", [
    "ci",
    "--include=dev",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
}

const targets = (entry) => (typeof entry === "string" ? [at(entry)] : Object.values(entry).flatMap(targets));
const built = Math.min(
  ...targets(exports)
    .filter((file) => file !== at("package.json"))
    .map(modified),
);
const sources = Math.max(
  newest(at("src")),
  ...["tsup.config.ts", "tsconfig.json", "package.json"].map((file) => modified(at(file))),
);
if (built < sources) npm("Building …", ["run", "--silent", "build", "--", "--silent"]);
