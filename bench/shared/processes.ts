import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a process of its own, started with this module, sends before it ends. Its output is shown. */
export async function answerOf(module: URL, args: readonly string[], execArgv: readonly string[]): Promise<unknown> {
  const child = fork(fileURLToPath(module), args, {
    execArgv: [...execArgv],
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
  });
  let answer: unknown;
  child.on("message", (message) => (answer = message));
  // The channel ends after its last message; the process's end may be seen before.
  await Promise.all([once(child, "exit"), once(child, "disconnect")]);
  if (child.exitCode !== 0 || answer === undefined) throw new Error(`${args.join(" ")}: the process failed`);
  return answer;
}
