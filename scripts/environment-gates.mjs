// Gates of the package in the environments that replace a part of Node: test runners with a DOM, Yarn's Plug'n'Play, Node's
// permission model, timers that are faked before the library is loaded.
import { cpSync, mkdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";

const entries = { root: "", file: "/stores/file", testing: "/testing", sources: "/sources" };
const withAws = { ...entries, aws: "/aws" };

const requires = (list) =>
  Object.entries(list).map(([name, entry]) => `${name}: require("recording-keystore${entry}")`);

/** Under Jest's DOM the SDK is given its build for browsers, so that the library is used without it. */
const jestTest = (environment) => `/** @jest-environment ${environment} */
const scenario = require("./scenario.cjs");
test("works", () => scenario({ ${requires(entries).join(", ")} }), 120_000);
`;

const vitestTest = (environment) => `// @vitest-environment ${environment}
import { test } from "vitest";
import scenario from "./scenario.cjs";
import * as sdk from "@aws-sdk/client-kms";
${Object.entries(withAws)
  .map(([name, entry]) => `import * as ${name} from "recording-keystore${entry}";`)
  .join("\n")}
test("works", () => scenario({ ${Object.keys(withAws).join(", ")}, sdk }), 120_000);
`;

/** @param tools what the gates of the package share: `gate`, `node`, `npm`, `write`, `sameVersion`, and where things are */
export function environmentGates({ gate, node, npm, write, sameVersion, root, workspace, tarball }) {
  const folder = path.join(workspace, "environments");
  cpSync(path.join(root, "test", "package", "environments"), folder, { recursive: true });
  write(path.join(folder, "package.json"), { name: "environments", private: true });
  const runners = ["jest@30", "jest-environment-jsdom@30", "@happy-dom/jest-environment", "jsdom", "happy-dom"];
  gate("environments: npm install", () =>
    npm(
      folder,
      ...["install", "--no-audit", "--no-fund", "--loglevel=error", tarball, ...runners],
      ...["vitest", "@aws-sdk/client-kms", "@aws-sdk/client-s3"].map(sameVersion),
    ),
  );
  for (const environment of ["jsdom", "@happy-dom/jest-environment"]) {
    const file = `${environment.replace(/\W+/g, "_")}.jest.js`;
    write(path.join(folder, file), jestTest(environment));
    gate(`used in Jest's environment ${environment}`, () =>
      node(folder, ["node_modules/jest/bin/jest.js", "--ci", "--rootDir", folder, "--testRegex", file]),
    );
  }
  for (const environment of ["jsdom", "happy-dom"]) {
    const file = `vitest-${environment}.test.mjs`;
    write(path.join(folder, file), vitestTest(environment));
    gate(`used in Vitest's environment ${environment}`, () =>
      node(folder, ["node_modules/vitest/vitest.mjs", "run", "--root", folder, file]),
    );
  }
  gate("used under timers of node:test that were faked before it was loaded", () =>
    node(folder, ["--test", "--test-timeout=60000", "early-timers.test.mjs"]),
  );
  gate("files and the file store under Node's permission model", () => {
    const major = Number.parseInt(process.versions.node, 10);
    const files = path.join(folder, "permitted");
    mkdirSync(files);
    const flag = major >= 24 ? "--permission" : "--experimental-permission";
    node(folder, [flag, "--allow-fs-read=*", `--allow-fs-write=${files}${path.sep}`, "files.cjs", files]);
  });
  plugAndPlay({ gate, node, npm, write, folder: path.join(workspace, "plug-and-play"), root, tarball });
}

function plugAndPlay({ gate, node, npm, write, folder, root, tarball }) {
  cpSync(path.join(root, "test", "package", "environments", "files.cjs"), path.join(folder, "files.cjs"));
  const manifest = { name: "plug-and-play", private: true };
  const yarn = path.join(folder, "yarn");
  gate("Yarn's Plug'n'Play: install", () => {
    write(path.join(yarn, "package.json"), { name: "yarn-itself", private: true });
    npm(yarn, "install", "--no-audit", "--no-fund", "--loglevel=error", "@yarnpkg/cli-dist@4");
    write(path.join(folder, "package.json"), {
      ...manifest,
      dependencies: { "recording-keystore": `file:${tarball}` },
    });
    write(path.join(folder, "yarn.lock"), "");
    const registry = npm(folder, "config", "get", "registry").trim().replace(/\/$/, "");
    const settings = [
      "nodeLinker: pnp",
      "enableTelemetry: false",
      "enableGlobalCache: false",
      `npmRegistryServer: "${registry}"`,
    ];
    write(path.join(folder, ".yarnrc.yml"), [...settings, `unsafeHttpWhitelist: ["*"]`, ""].join("\n"));
    node(folder, [path.join(yarn, "node_modules", "@yarnpkg", "cli-dist", "bin", "yarn.js"), "install"], {
      YARN_ENABLE_IMMUTABLE_INSTALLS: "false",
    });
  });
  gate("files and the file store under Yarn's Plug'n'Play", () => {
    const files = path.join(folder, "files");
    mkdirSync(files);
    node(folder, ["-r", "./.pnp.cjs", "files.cjs", files]);
  });
}
