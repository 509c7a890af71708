// Runs a command beside processes that keep every core busy, to show that no test depends on the wall clock.
// usage: node scripts/beside-busy-processes.mjs COUNT COMMAND [ARGUMENT...]
import { spawn } from "node:child_process";
import process from "node:process";

const [, , count, command, ...args] = process.argv;
const busy = Array.from({ length: Number(count) }, () => spawn(process.execPath, ["-e", "for (;;);"]));
const running = spawn(command, args, { stdio: "inherit" });
running.on("exit", (status) => {
  for (const { pid } of busy) process.kill(pid, "SIGKILL");
  process.exitCode = status ?? 1;
});
