import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hasPrograms, installDebianPackages } from "./debian-packages.js";

interface DebianTests {
  readonly files: RegExp;
  readonly about: string;
  readonly packages: readonly string[];
  readonly installed: () => Promise<boolean>;
}

const runs = (program: string, ...args: readonly string[]) =>
  promisify(execFile)(program, args).then(
    () => true,
    () => false,
  );

/** Test files that need programs of Debian's. */
const debianTests: readonly DebianTests[] = [
  {
    files: /^test\/examples\/python-decryptor\//,
    about: "the decryptor in Python",
    packages: ["python3-nacl", "python3-cryptography", "python3-boto3"],
    // Debian's own Python, to which its packages belong; the first one on the PATH may be another.
    installed: () => runs("/usr/bin/python3", "-c", "import nacl, cryptography, boto3"),
  },
  {
    files: /^test\/in-memory-kms\/python-example\./,
    about: "the in-memory KMS from Python",
    packages: ["python3"],
    installed: () => runs("/usr/bin/python3", "-c", ""),
  },
  {
    files: /^test\/clients\/boto3\./,
    about: "boto3 against the in-memory KMS",
    packages: ["python3-boto3", "python3-cryptography"],
    installed: () => runs("/usr/bin/python3", "-c", "import boto3, cryptography"),
  },
  {
    files: /^test\/clients\/aws-cli\./,
    about: "the AWS CLI against the in-memory KMS",
    packages: ["awscli"],
    installed: () => runs("/usr/bin/aws", "--version"),
  },
  {
    files: /^test\/examples\/own-store-and-kms\/etcd-server\./,
    about: "a store on etcd",
    packages: ["etcd-server"],
    installed: () => hasPrograms("etcd"),
  },
  {
    files: /^test\/browser\//,
    about: "the example service in a browser",
    packages: ["chromium", "fonts-noto-cjk", "fonts-dejavu-core"],
    installed: async () => process.env["CHROMIUM"] !== undefined || hasPrograms("chromium"),
  },
];

/** Of these test files those that can run here, after what they need was installed where it was missing. Says which can't. */
export async function runnableHere(paths: readonly string[]): Promise<string[]> {
  let runnable = [...paths];
  for (const { files, about, packages, installed } of debianTests) {
    if (!runnable.some((path) => files.test(path)) || (await installed())) continue;
    await installDebianPackages(...packages).catch(() => undefined);
    if (await installed()) continue;
    console.warn(`not checked: ${about}, since Debian's ${packages.join(", ")} can't be installed`);
    runnable = runnable.filter((path) => !files.test(path));
  }
  return runnable;
}
