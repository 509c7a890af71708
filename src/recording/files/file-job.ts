import type { ThreadedJob } from "../threads/thread-worker.js";
import { fileChanged, fileFailure } from "./failures.js";
import type { InputFile } from "./input-file.js";
import type { OutputFile } from "./output-file.js";

/** One encryption or decryption from file to file, which threads read and write by themselves. */
export interface FileJob extends ThreadedJob {
  readonly input: InputFile;
  readonly output: OutputFile;
}

export function fileJob(parts: Omit<FileJob, "medium">): FileJob {
  const { input, output } = parts;
  return {
    ...parts,
    medium: {
      rangeBytes: 4_194_304,
      files: { input: input.handle.fd, output: output.handle.fd },
      fileFailure(trouble) {
        if (trouble.kind === "changed") return fileChanged(input.path);
        const { code, syscall, message, doing } = trouble;
        return fileFailure(
          `${doing} ${doing === "read" ? input.path : output.path}`,
          Object.assign(new Error(message), { code, syscall }),
        );
      },
    },
  };
}
