import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Installs packages of Debian, one process at a time: the package manager refuses a second one. @throws what it says */
export async function installDebianPackages(...names: readonly string[]): Promise<void> {
  const lock = join(tmpdir(), "recording-keystore-debian-packages.lock");
  const apt = (...args: string[]) =>
    run("flock", [lock, "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", ...args], {
      timeout: 900_000,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, // or a package's questions wait for somebody
    });
  await apt("update");
  await apt("install", "-y", "--no-install-recommends", ...names);
}

/** Whether the system has all of these programs. */
export async function hasPrograms(...names: readonly string[]): Promise<boolean> {
  const found = names.map((name) => run("sh", ["-c", 'command -v "$1"', "sh", name]));
  return Promise.all(found).then(
    () => true,
    () => false,
  );
}
