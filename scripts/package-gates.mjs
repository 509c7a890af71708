// Packs the package, installs the tarball into empty projects and uses it there as its users will.
// Every gate counts; the last line reads `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const workspace = mkdtempSync(path.join(os.tmpdir(), "recording-keystore-gates-"));
const consumer = path.join(workspace, "consumer");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const consumerSources = path.join(root, "test", "package", "consumer");
/** What consumers remember on their host stays out of the developer's home. */
const ownState = { XDG_STATE_HOME: path.join(workspace, "state"), STATE_DIRECTORY: "" };
let passed = 0;
let failed = 0;

/** Runs one gate: it fails by throwing. */
function gate(name, check) {
  const start = performance.now();
  let verdict = "ok";
  try {
    check();
    passed += 1;
  } catch (error) {
    failed += 1;
    verdict = `FAILED\n${indent(error instanceof Error ? error.message : String(error))}`;
  }
  console.log(`gate: ${name} (${((performance.now() - start) / 1000).toFixed(1)} s) ${verdict}`);
}

const indent = (text) => text.trimEnd().replaceAll(/^/gm, "    ");

/** Runs a command without a shell or stdin; throws with its output if it fails. */
function run(cwd, command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...ownState, NO_COLOR: "1", FORCE_COLOR: "0", ...env },
    maxBuffer: 64 * 1024 * 1024,
    timeout: 300_000,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

const node = (cwd, args, env) => run(cwd, process.execPath, args, env);
const npm = (cwd, ...args) =>
  process.env.npm_execpath ? node(cwd, [process.env.npm_execpath, ...args]) : run(cwd, "npm", args);
/** A tool of this repository. */
const tool = (cwd, script, ...args) => node(cwd, [path.join(root, "node_modules", script), ...args]);

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

function write(file, content) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`);
}

function install(...packages) {
  npm(consumer, "install", "--no-audit", "--no-fund", "--loglevel=error", ...packages);
}

/** The version that this repository itself is tested with, so that the consumers need no list of their own. */
const sameVersion = (name) => {
  const { version } = JSON.parse(readFileSync(path.join(root, "node_modules", name, "package.json"), "utf8"));
  return `${name}@${version}`;
};

const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"));
const specifierOf = (entry) => path.posix.join(manifest.name, entry);

/** All type declarations that come with the tarball, as installed. */
const declarations = () => {
  const folder = path.join(consumer, "node_modules", manifest.name, "dist");
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => /\.d\.[cm]?ts$/.test(file))
    .map((file) => [file, readFileSync(path.join(folder, file), "utf8")]);
};

const strictNode16 = {
  target: "ES2022",
  module: "node16",
  moduleResolution: "node16",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  rootDir: ".",
};

/** Every TypeScript block of the README is a module that compiles strictly and runs, its AWS answered in memory under the README's policy. */
function readmeSnippets() {
  const folder = path.join(consumer, "readme");
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const blocks = (language) =>
    [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code);
  const snippets = blocks("ts").map((code, index) => [`snippet-${index + 1}.mts`, code]);
  write(path.join(folder, "policy-statements.json"), blocks("json").join());
  for (const [file, code] of snippets) write(path.join(folder, file), code);
  cpSync(path.join(root, "examples", "assets", "call.wav"), path.join(folder, "call.wav"));
  gate(`README: ${snippets.length} snippets compile`, () => {
    expect(snippets.length > 0, "no snippet found");
    const project = path.join(folder, "tsconfig.json");
    write(project, { compilerOptions: { ...strictNode16, lib: ["ES2023"] }, include: ["*.mts"] });
    node(consumer, ["node_modules/typescript/bin/tsc", "-p", project]);
  });
  for (const [file] of snippets) {
    gate(`README: ${file} runs`, () => {
      const credentials = {
        AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
        AWS_SECRET_ACCESS_KEY: "example",
        AWS_REGION: "us-east-1",
      };
      node(folder, ["--import", "../aws-in-memory.mjs", file.replace(".mts", ".mjs")], credentials);
    });
  }
}

let tarball = "";

function runGates() {
  gate("build", () => npm(root, "run", "build", "--", "--silent"));

  // Whatever came after would only fail for the same reason.
  if (failed > 0) return;

  gate("npm pack: exactly what users need", () => {
    const [{ filename, files }] = JSON.parse(
      npm(root, "pack", "--json", "--ignore-scripts", "--pack-destination", workspace),
    );
    tarball = path.join(workspace, filename);
    const paths = files.map((file) => file.path);
    for (const wanted of [
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "SECURITY.md",
      "docs/errors.md",
      "docs/threat-model.md",
    ]) {
      expect(paths.includes(wanted), `${wanted} is not in the tarball`);
    }
    const stray = paths.filter(
      (file) => !/^(dist|docs)\/|^(README|CHANGELOG|SECURITY)\.md$|^LICENSE$|^package\.json$/.test(file),
    );
    expect(stray.length === 0, `not meant to be published: ${stray.join(", ")}`);
  });

  gate("publint", () => tool(root, "publint/src/cli.js", tarball, "--strict"));
  gate("arethetypeswrong", () => tool(root, "@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "node16"));

  // The first consumer has nothing but the tarball: no AWS SDK, no database client, no types of Node.
  write(path.join(consumer, "package.json"), { name: "consumer", private: true });
  cpSync(consumerSources, consumer, { recursive: true });
  gate("npm install of the tarball alone", () => install(tarball));

  gate("declarations import nothing but Node", () => {
    expect(declarations().length >= 2 * entries.length, "declarations are missing");
    for (const [file, text] of declarations()) {
      const imports = [...text.matchAll(/(?:from\s*|import\s*\(\s*|import\s+|require\s*\(\s*)["']([^"']+)["']/g)].map(
        ([, specifier]) => specifier,
      );
      const foreign = imports.filter((specifier) => !/^(\.{1,2}\/|node:)/.test(specifier));
      expect(foreign.length === 0, `${file} imports ${foreign.join(", ")}`);
    }
  });

  for (const entry of entries.filter((name) => !["./aws", "./sources/s3"].includes(name))) {
    gate(`${specifierOf(entry)} loads without optional peers, both ways`, () => {
      const specifier = JSON.stringify(specifierOf(entry));
      const viaRequire = `const names = Object.keys(require(${specifier})); console.log(JSON.stringify({ names, files: Object.keys(require.cache) }))`;
      const viaImport = `console.log(JSON.stringify(Object.keys(await import(${specifier}))))`;
      const { names, files } = JSON.parse(node(consumer, ["-e", viaRequire]));
      const imported = JSON.parse(node(consumer, ["--input-type=module", "-e", viaImport]));
      expect(names.length > 0, "exports nothing");
      const sorted = (list) =>
        list
          .filter((name) => !["default", "module.exports", "__esModule"].includes(name))
          .sort()
          .join();
      expect(sorted(names) === sorted(imported), `import gives ${sorted(imported)}, require gives ${sorted(names)}`);
      const allowed = [manifest.name, ...Object.keys(manifest.dependencies)].map(
        (name) => path.join("node_modules", name) + path.sep,
      );
      const foreign = files.filter((file) => !allowed.some((folder) => file.includes(folder)));
      expect(foreign.length === 0, `loads ${foreign.join(", ")}`);
    });
  }

  gate("the command starts without optional peers", () => {
    for (const command of Object.keys(manifest.bin)) {
      const help = run(consumer, path.join(consumer, "node_modules", ".bin", command), ["--help"]);
      expect(help.includes(command), `says: ${help}`);
    }
  });

  gate("npm install of the AWS SDK and of the consumers' tools", () =>
    install(
      ...["@aws-sdk/client-kms", "@aws-sdk/client-s3", "esbuild", "typescript", "@types/node"].map(sameVersion),
      "jest@^30",
    ),
  );
  gate("used by import", () => node(consumer, ["use.mjs"]));
  gate("used by require()", () => node(consumer, ["use.cjs"]));
  gate("both copies in one process know each other's errors", () => node(consumer, ["both.mjs"]));
  gate("used from a Jest CommonJS test, with real and with fake timers", () =>
    node(consumer, ["node_modules/jest/bin/jest.js", "--ci", "--rootDir", consumer, "jest"]),
  );

  for (const [format, source] of [
    ["esm", "use.mjs"],
    ["cjs", "use.cjs"],
  ]) {
    const outfile = path.join(`bundle-${format}`, source);
    gate(`used from an esbuild bundle (${format})`, () => {
      // The SDK's own CommonJS dependencies call require(), which an ES module has to be given.
      const banner =
        format === "esm"
          ? ["--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"]
          : [];
      const options = [
        "--bundle",
        "--platform=node",
        "--target=node20",
        `--format=${format}`,
        `--outfile=${outfile}`,
        "--log-level=warning",
      ];
      // Its install script replaces the launcher by the binary where scripts may run.
      run(consumer, path.join(consumer, "node_modules", ".bin", "esbuild"), [source, ...options, ...banner]);
      node(consumer, [outfile]);
    });
  }

  for (const [kind, source] of [
    ["ESM", "use.mts"],
    ["CommonJS", "use.cts"],
  ]) {
    cpSync(path.join(consumerSources, "use.ts"), path.join(consumer, source));
    for (const lib of [["ES2023"], ["ES2023", "DOM"]]) {
      gate(`TypeScript consumer: node16, ${kind}, lib ${lib.join(" + ")}, skipLibCheck false`, () => {
        const project = path.join(consumer, `tsconfig.${kind}.${lib.length}.json`);
        const outDir = path.join(consumer, `out.${kind}.${lib.length}`);
        write(project, { compilerOptions: { ...strictNode16, lib, outDir }, files: [source] });
        node(consumer, ["node_modules/typescript/bin/tsc", "-p", project]);
        node(consumer, [path.join(outDir, source.replace("ts", "js"))]);
      });
    }
  }

  readmeSnippets();
}

try {
  runGates();
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
