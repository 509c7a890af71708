import { writeSync } from "node:fs";
import { FileAuditLog } from "../../src/audit/index.js";
import { opening, secret } from "./logs.js";

/* What the processes of `file-audit-log-processes.test.ts` do: append for ever, and say each entry once it is written. */
async function append(directory: string): Promise<void> {
  const log = new FileAuditLog({ directory, secret, maxFileSize: 16_384 });
  const name = process.pid;
  for (let round = 1; ; round += 1) {
    const ids = Array.from({ length: 1 + (round % 5) }, (_, index) => `${name}-${round}-${index}`);
    await Promise.all(ids.map((id) => log.append(opening(id)).then(() => writeSync(1, `${id}\n`))));
  }
}

void append(process.argv[2] ?? "");
