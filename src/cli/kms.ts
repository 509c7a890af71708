import { parseArgs } from "node:util";
import { requireRegion } from "../in-memory-kms/arn.js";
import { InMemoryKms } from "../in-memory-kms/index.js";
import { defined } from "../util/defined.js";
import { UsageError, type Command } from "./command.js";
import { untilShutdown } from "./lifetime.js";
import { readPrincipals } from "./principals-file.js";

/** `recording-keystore kms`: an in-memory KMS for test suites in any language. */
export const kmsCommand: Command = {
  name: "kms",
  summary: "Run an in-memory AWS KMS on loopback, for tests in any language",
  usage: `recording-keystore kms [--port N] [--principals FILE] [--region REGION …] [--allow-in-production]

  --port N               listen on this port of 127.0.0.1; a free one unless given
  --principals FILE      {"principals":[{"accessKeyId":"…","arn":"…","identityPolicy":{…}}]}; an access key that is
                         not listed is a full administrator of the account 000000000000
  --region REGION        a Region that exists, may be given several times; all exist unless given
  --allow-in-production  run although NODE_ENV is production

Prints the URL when it listens. Ends on SIGTERM, on SIGINT, and when its parent is gone. Keys live in memory only.`,

  async run(args, { print }) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: "string", default: "0" },
        principals: { type: "string" },
        region: { type: "string", multiple: true },
        "allow-in-production": { type: "boolean", default: false },
      },
    });
    for (const region of values.region ?? []) readRegion(region);
    const principals = values.principals === undefined ? undefined : await readPrincipals(values.principals);
    const allowInProduction = values["allow-in-production"];
    const kms = new InMemoryKms(defined({ allowInProduction, principals, regions: values.region }));
    const endpoint = await kms.listen({ port: readPort(values.port) });
    const shutdown = untilShutdown();
    print(endpoint.url);
    await shutdown;
    await endpoint.close();
  },
};

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new UsageError(`--port: not a port number: ${text}`);
  return port;
}

function readRegion(text: string): void {
  try {
    requireRegion(text);
  } catch {
    throw new UsageError(`--region: not a Region: ${text}`);
  }
}
