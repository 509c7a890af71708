import { buildSync } from "esbuild";
import { fileURLToPath } from "node:url";

/** The worker thread's source, in one piece: `src/recording/threads/worker-code.ts` says what for. Readable, since it is shipped. */
export function compileWorkerCode(): string {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL("../src/recording/threads/worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node20",
    legalComments: "none",
    logLevel: "warning",
  });
  return outputFiles[0]?.text ?? "";
}
