import { readFileSync } from "node:fs";

/** In ms. */
const pollInterval = 500;

/**
 * Resolves at SIGTERM, SIGINT or the end of the process that started this one (npx forwards no signals). Call it before
 * anyone is told that this process runs.
 */
export function untilShutdown(): Promise<void> {
  const ancestors = watchedAncestors();
  return new Promise((resolve) => {
    const poll = setInterval(() => {
      if (watchedAncestors() !== ancestors) end();
    }, pollInterval);
    const end = () => {
      clearInterval(poll);
      process.off("SIGTERM", end).off("SIGINT", end);
      resolve();
    };
    process.on("SIGTERM", end).on("SIGINT", end);
  });
}

/** The parent, and under npm its parent too: npm may put a shell in between that outlives it. */
function watchedAncestors(): string {
  const parent = process.ppid;
  return process.env["npm_command"] === undefined ? String(parent) : `${parent} ${parentOf(parent)}`;
}

/** Process id of a process's parent. Empty without /proc. */
function parentOf(pid: number): string {
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}
