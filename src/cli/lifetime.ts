import { readFileSync } from "node:fs";

const pollMs = 500;

/** Resolves on SIGTERM, on SIGINT, and when the process that started this one is gone: npx forwards no signals. */
export function untilToldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    const ancestors = watchedAncestors();
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
