// Packs the package, installs the tarball into empty projects and uses it there as its users will.
// Every gate counts; the last line reads `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { environmentGates } from "./environment-gates.mjs";
import { kmsTestingGate } from "./kms-testing-gate.mjs";

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

/** What the package may weigh, in kB. A bundle is minified, for Node, from an import of the names that are given. */
const limits = {
  tarball: 1_040,
  installed: 4_070,
  rootNames: 70,
  bundles: [
    { entry: ".", names: ["InvalidInputError"], most: 4 },
    { entry: ".", names: ["RecordingKeyStore"], most: 380 },
    { entry: "./administration", names: ["permissions", "NotPermittedError"], most: 12 },
    { entry: "./telemetry", names: ["diagnosticsChannelName"], most: 8 },
    { entry: "./key-policy", names: ["recordingKeyPolicy"], most: 106 },
    { entry: "./kms", names: ["kmsError", "kmsFailureKinds"], most: 12 },
    { entry: "./stores", names: ["checkKeyPair"], most: 12 },
    { entry: "./stores/file", names: ["FileKeyPairStore"], most: 40 },
    { entry: "./stores/postgres", names: ["PostgresKeyPairStore", "migrate", "postgresGrants"], most: 38 },
    { entry: "./http", names: ["sendRecording"], most: 24 },
    { entry: "./sources", names: ["fileSource", "httpSource"], most: 40 },
    { entry: "./audit", names: ["FileAuditLog", "verifyAuditLog"], most: 38 },
    { entry: "./audit", names: ["PostgresAuditLog", "migrateAuditLog", "verifyPostgresAuditLog"], most: 46 },
    { entry: "./encrypt-only", names: ["PublicBundleEncryptor"], most: 255 },
    { entry: "./migration", names: ["migrateRecordings"], most: 100 },
    { entry: "./testing", names: ["createTestKeyStore"], most: 605 },
    { entry: "./kms-testing", names: ["InMemoryKms"], most: 170 },
  ],
};

/** Prints a figure, and fails where it is over its limit. */
function figure(what, kilobytes, most) {
  console.log(`      ${what}: ${kilobytes.toFixed(1)} kB (at most ${most})`);
  expect(kilobytes <= most, `${what} has ${kilobytes.toFixed(1)} kB, more than ${most}`);
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

/** Optional peers of the entries for AWS. */
const awsSdk = ["@aws-sdk/client-kms", "@aws-sdk/client-s3", "@aws-sdk/client-dynamodb"];
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

/**
 * Every TypeScript block of README and guides is a module that compiles strictly and runs, its AWS answered in memory under
 * the policy of the guide.
 */
function documentSnippets() {
  const folder = path.join(consumer, "documents");
  const guides = path.join(root, "docs", "guides");
  const documents = [path.join(root, "README.md"), ...readdirSync(guides).map((name) => path.join(guides, name))];
  const blocks = (file, language) =>
    [...readFileSync(file, "utf8").matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
      ([, code]) => code,
    );
  const snippets = documents.flatMap((file) =>
    blocks(file, "ts").map((code, index) => [`${path.basename(file, ".md")}-${index + 1}.mts`, code]),
  );
  write(path.join(folder, "policy-statements.json"), blocks(path.join(guides, "key-policy.md"), "json").join());
  for (const [file, code] of snippets) write(path.join(folder, file), code);
  cpSync(path.join(root, "examples", "assets", "call.wav"), path.join(folder, "call.wav"));
  gate(`documents: ${snippets.length} snippets compile`, () => {
    expect(
      snippets.some(([file]) => file.startsWith("README")),
      "no snippet of the README found",
    );
    const project = path.join(folder, "tsconfig.json");
    write(project, { compilerOptions: { ...strictNode16, lib: ["ES2023"] }, include: ["*.mts"] });
    node(consumer, ["node_modules/typescript/bin/tsc", "-p", project]);
  });
  for (const [file] of snippets) {
    gate(`documents: ${file} runs`, () => {
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
    const [{ filename, files, size, unpackedSize }] = JSON.parse(
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
    const maps = paths.filter((file) => file.endsWith(".map"));
    expect(maps.length === 0, `source maps: ${maps.join(", ")}`);
    figure("tarball", size / 1_000, limits.tarball);
    figure("installed, without dependencies", unpackedSize / 1_000, limits.installed);
  });

  gate("publint", () => tool(root, "publint/src/cli.js", tarball, "--strict"));
  gate("arethetypeswrong", () => tool(root, "@arethetypeswrong/cli/dist/index.js", tarball));

  // The first consumer has nothing but the tarball: no AWS SDK, no database client, no types of Node.
  write(path.join(consumer, "package.json"), { name: "consumer", private: true });
  cpSync(consumerSources, consumer, { recursive: true });
  gate("npm install of the tarball alone", () => install(tarball));
  kmsTestingGate({ gate, expect, node, installed: path.join(consumer, "node_modules", manifest.name) });

  gate("declarations import nothing but Node, and those of one entry the API of OpenTelemetry", () => {
    expect(declarations().length >= 2 * entries.length, "declarations are missing");
    for (const [file, text] of declarations()) {
      const imports = [...text.matchAll(/(?:from\s*|import\s*\(\s*|import\s+|require\s*\(\s*)["']([^"']+)["']/g)].map(
        ([, specifier]) => specifier,
      );
      const allowed = file.startsWith("opentelemetry.d.") ? ["@opentelemetry/api"] : [];
      const foreign = imports.filter((name) => !/^(\.{1,2}\/|node:)/.test(name) && !allowed.includes(name));
      expect(foreign.length === 0, `${file} imports ${foreign.join(", ")}`);
    }
  });

  gate("the root names what every service needs, and leaves the rest to entries of their own", () => {
    const [, text] = declarations().find(([file]) => file === "index.d.ts");
    const names = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list]) => list.split(","));
    console.log(`      names at the root: ${names.length} (at most ${limits.rootNames})`);
    expect(names.length > 0 && names.length <= limits.rootNames, `${names.length} names at the root`);
  });

  const needPeers = ["./aws", "./sources/s3", "./stores/dynamodb", "./stores/s3", "./opentelemetry"];
  for (const entry of entries.filter((name) => !needPeers.includes(name))) {
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
      ...[...awsSdk, "pg", "@types/pg", "@opentelemetry/api", "esbuild", "typescript", "@types/node"].map(sameVersion),
      "jest@^30",
    ),
  );
  gate("used by import", () => node(consumer, ["use.mjs"]));
  gate("used by require()", () => node(consumer, ["use.cjs"]));
  gate("both copies in one process know each other's errors", () => node(consumer, ["both.mjs"]));
  gate("used from a Jest CommonJS test, with real and with fake timers", () =>
    node(consumer, ["node_modules/jest/bin/jest.js", "--ci", "--rootDir", consumer, "jest"]),
  );

  gate("bundles of single names stay small, and run as ES modules without a banner", () => {
    for (const [index, { entry, names, most }] of limits.bundles.entries()) {
      const source = path.join(consumer, `bundle-${index}.mjs`);
      const outfile = path.join(consumer, `bundle-${index}.out.mjs`);
      const list = names.join(", ");
      write(source, `import { ${list} } from ${JSON.stringify(specifierOf(entry))};\nconsole.log([${list}].length);\n`);
      const options = ["--bundle", "--minify", "--platform=node", "--format=esm", "--log-level=warning"];
      run(consumer, path.join(consumer, "node_modules", ".bin", "esbuild"), [
        source,
        ...options,
        `--outfile=${outfile}`,
      ]);
      node(consumer, [outfile]);
      figure(`${list} from ${specifierOf(entry)}`, readFileSync(outfile).length / 1_000, most);
    }
  });

  gate("an error prints its class, in CommonJS and in ES modules", () => {
    const code = `throw new InvalidInputError("field", "rule")`;
    for (const args of [
      [
        "-e",
        `const { InvalidInputError } = require("${manifest.name}"); try { ${code} } catch (error) { console.log(error.constructor.name, error) }`,
      ],
      [
        "--input-type=module",
        "-e",
        `import { InvalidInputError } from "${manifest.name}"; try { ${code} } catch (error) { console.log(error.constructor.name, error) }`,
      ],
    ]) {
      const shown = node(consumer, args);
      expect(shown.startsWith("InvalidInputError InvalidInputError: field: rule"), shown);
    }
  });

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

  documentSnippets();
  classicProject();
  environmentGates({ gate, node, npm, write, sameVersion, root, workspace, tarball });
}

/** A Nest 10 project with TypeScript 5, `module: commonjs`, `moduleResolution: node` and ts-jest, all by their defaults. */
function classicProject() {
  const folder = path.join(workspace, "classic");
  cpSync(path.join(root, "test", "package", "classic"), folder, { recursive: true });
  write(path.join(folder, "package.json"), {
    name: "classic",
    private: true,
    jest: {
      rootDir: ".",
      testRegex: ".*\\.spec\\.ts$",
      transform: { "^.+\\.(t|j)s$": "ts-jest" },
      testEnvironment: "node",
    },
  });
  write(path.join(folder, "tsconfig.json"), {
    compilerOptions: {
      module: "commonjs",
      declaration: true,
      removeComments: true,
      emitDecoratorMetadata: true,
      experimentalDecorators: true,
      allowSyntheticDefaultImports: true,
      target: "ES2021",
      sourceMap: true,
      outDir: "./dist",
      baseUrl: "./",
      incremental: true,
      skipLibCheck: true,
      strictNullChecks: false,
      noImplicitAny: false,
    },
  });
  const nest = ["common", "core", "testing"].map((name) => `@nestjs/${name}@10`);
  const tools = ["typescript@5", "ts-jest@29", "jest@29", "@types/jest@29", "reflect-metadata", "rxjs@7"];
  const peers = [...awsSdk, "@opentelemetry/api", "@types/node"].map(sameVersion);
  gate("a Nest 10 project: npm install", () =>
    npm(folder, "install", "--no-audit", "--no-fund", "--loglevel=error", tarball, ...nest, ...tools, ...peers),
  );
  gate("a Nest 10 project: tsc", () => node(folder, ["node_modules/typescript/bin/tsc", "-p", ".", "--noEmit"]));
  gate("a Nest 10 project: strict, module commonjs, moduleResolution node", () => {
    const options =
      "--module commonjs --moduleResolution node --experimentalDecorators --target es2021 --strict --skipLibCheck";
    node(folder, ["node_modules/typescript/bin/tsc", ...options.split(" "), "--noEmit", "recordings.service.ts"]);
  });
  gate("a Nest 10 project: ts-jest", () => node(folder, ["node_modules/jest/bin/jest.js", "--ci"]));
}

try {
  runGates();
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
