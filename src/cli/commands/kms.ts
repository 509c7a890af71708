import { requireRegion } from "../../in-memory-kms/arn.js";
import { InMemoryKms } from "../../in-memory-kms/index.js";
import { defined } from "../../util/defined.js";
import { defineCommand } from "../define.js";
import { UsageError } from "../io.js";
import { untilShutdown } from "../lifetime.js";
import { readPrincipals } from "../principals-file.js";

interface KmsOptions {
  readonly port: number;
  readonly principals?: string;
  readonly region?: readonly string[];
  readonly allowInProduction?: boolean;
}

/** `recording-keystore kms`: an in-memory KMS for test suites in any language. */
export const kmsCommand = defineCommand<KmsOptions>({
  name: "kms",
  summary: "Run an in-memory AWS KMS on loopback, for tests in any language",
  group: "Other:",
  takesSettings: false,
  givesResult: false,
  help: `FILE of --principals: {"principals":[{"accessKeyId":"…","arn":"…","identityPolicy":{…}}]}; an access key that is not listed is
a full administrator of the account 000000000000.

Prints the URL when it listens. Ends on SIGTERM, on SIGINT, and when its parent is gone. Keys live in memory only.`,
  add: (command) =>
    command
      .option("--port <number>", "listen on this port of 127.0.0.1; 0 for a free one", readPort, 0)
      .option("--principals <file>", "JSON file with those who call")
      .option(
        "--region <region>",
        "a Region that exists, may be given several times; all exist unless given",
        (region, others: readonly string[] | undefined) => [...(others ?? []), readRegion(region)],
      )
      .option("--allow-in-production", "run although NODE_ENV is production"),
  run: async ({ options: { port, principals: file, region: regions, allowInProduction }, io: { print } }) => {
    const principals = file === undefined ? undefined : await readPrincipals(file);
    const kms = new InMemoryKms(defined({ allowInProduction, principals, regions }));
    const endpoint = await kms.listen({ port });
    const shutdown = untilShutdown();
    print(endpoint.url);
    await shutdown;
    await endpoint.close();
  },
});

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new UsageError(`--port: not a port number: ${text}`);
  return port;
}

function readRegion(text: string): string {
  try {
    requireRegion(text);
    return text;
  } catch {
    throw new UsageError(`--region: not a Region: ${text}`);
  }
}
