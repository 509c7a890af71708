import { requireRegion } from "../../in-memory-kms/arn.js";
import { InMemoryKms } from "../../in-memory-kms/in-memory-kms.js";
import { defined } from "../../util/defined.js";
import { defineCommand } from "../define.js";
import { UsageError } from "../io.js";
import { commandSeed } from "../kms-seed.js";
import { untilShutdown } from "../lifetime.js";
import { readPrincipals } from "../principals-file.js";

interface KmsOptions {
  readonly port: number;
  readonly principals?: string;
  readonly seed?: string;
  readonly key?: readonly string[];
  readonly data?: string;
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
  help: `FILE of --seed: {"principals":[…],"accounts":[{"accountId":"…","region":"…","keys":[{"keyId":"…","material":"base64 of 32 bytes",
"aliases":["alias/…"],"policy":{…},"grants":[…]}]}]}, as JSON or YAML. FILE of --principals:
{"principals":[{"accessKeyId":"…","arn":"…","identityPolicy":{…}}]}. An access key that is not listed is a full administrator of
the account 000000000000, or of the one that --key names.

Prints the URL when it listens. Ends on SIGTERM, on SIGINT, and when its parent is gone. Keys live in memory only, unless --data
keeps them: what a call has changed is in that file before the call is answered.`,
  add: (command) =>
    command
      .option("--port <number>", "listen on this port of 127.0.0.1; 0 for a free one", readPort, 0)
      .option("--seed <file>", "JSON or YAML file with accounts, keys and callers to begin with")
      .option("--key <alias arn>", "begin with a key behind this alias, may be given several times", several)
      .option("--data <file>", "keep the keys in this file; where it exists, they come from it and not from the seed")
      .option("--principals <file>", "JSON file with those who call")
      .option(
        "--region <region>",
        "a Region that exists, may be given several times; all exist unless given",
        (region, others: readonly string[] | undefined) => several(readRegion(region), others),
      )
      .option("--allow-in-production", "run although NODE_ENV is production"),
  run: async ({ options, io: { print } }) => {
    const { port, principals: file, region: regions, allowInProduction, data: dataFile } = options;
    const principals = file === undefined ? undefined : await readPrincipals(file);
    const seed = await commandSeed(options.seed, options.key);
    const kms = new InMemoryKms(defined({ allowInProduction, principals, regions, seed }));
    const data = dataFile === undefined ? undefined : await kms.keepIn(dataFile);
    const endpoint = await kms.listen({ port });
    const shutdown = untilShutdown();
    print(endpoint.url);
    await shutdown;
    await endpoint.close();
    await data?.close();
  },
});

const several = (value: string, others: readonly string[] = []): readonly string[] => [...others, value];

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
