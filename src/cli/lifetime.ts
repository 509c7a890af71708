import { readFileSync } from "node:fs";

const pollMs = 500;

/**
 * Begins to watch for SIGTERM, SIGINT and the end of the process that started this one (npx forwards no signals), and
 * gives a promise of the first of them. Begin before anyone is told that this process runs.
 */
export function watchForTheEnd(): Promise<void> {
  const ancestors = watchedAncestors();
  return new Promise((resolve) => {
    const poll = setInterval(() => {
      if (watchedAncestors() !== ancestors) end();
    }, pollMs);
    const end = () => {
      clearInterval(poll);
      process.off("SIGTERM", end).off("SIGINT", end);
      resolve();
    };
    process.on("SIGTERM", end).on("SIGINT", end);
  });
}

/** The parent; under npm also the parent's parent, as npm may put a shell between that outlives it. */
function watchedAncestors(): string {
  const parent = process.ppid;
  return process.env["npm_command"] === undefined ? String(parent) : `${parent} ${parentOf(parent)}`;
}

/** As far as the system tells: empty without /proc. */
function parentOf(pid: number): string {
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}
