import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireRegion } from "../../in-memory-kms/arn.js";
import { InMemoryKms } from "../../in-memory-kms/in-memory-kms.js";
import type { KmsCertificate } from "../../in-memory-kms/self-signed.js";
import { defined } from "../../util/defined.js";
import { defineCommand } from "../define.js";
import { UsageError } from "../io.js";
import { commandSeed } from "../kms-seed.js";
import { untilShutdown } from "../lifetime.js";
import { readPrincipals } from "../principals-file.js";

interface KmsOptions {
  readonly port: number;
  readonly host?: string;
  readonly tls?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly cors?: readonly string[];
  readonly control?: boolean;
  readonly controlHost?: readonly string[];
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
  repeatable: ["region", "cors", "control-host", "key"],
  help: `FILE of --seed: {"principals":[…],"accounts":[{"accountId":"…","region":"…","keys":[{"keyId":"…","material":"base64 of 32 bytes",
"aliases":["alias/…"],"policy":{…},"grants":[…]}]}]}, as JSON or YAML. FILE of --principals:
{"principals":[{"accessKeyId":"…","arn":"…","identityPolicy":{…}}]}. An access key that is not listed is a full administrator of
the account 000000000000, or of the one that --key names.

GET /_kms/health says whether it runs. /_kms/ injects faults, moves the clock, shows the journal and takes snapshots, on loopback
only unless --control is given.

Prints the URL when it listens. Ends on SIGTERM, on SIGINT, and when its parent is gone. Keys live in memory only, unless --data
keeps them: what a call has changed is in that file before the call is answered.`,
  add: (command) =>
    command
      .option("--port <number>", "listen on this port; 0 for a free one", readPort, 0)
      .option("--host <address>", "listen on this address (default: 127.0.0.1)")
      .option(
        "--tls",
        "HTTPS with a self-made certificate, whose file is printed after the URL; needs the package selfsigned",
      )
      .option("--tls-cert <file>", "HTTPS with this certificate (PEM)")
      .option("--tls-key <file>", "key of the certificate (PEM)")
      .option(
        "--cors <origin>",
        "let web pages of this origin call KMS, may be given several times; * for all",
        several,
      )
      .option("--control", "serve /_kms/ (faults, clock, snapshots) although --host is not loopback")
      .option("--no-control", "do not serve /_kms/, although --host is loopback")
      .option("--control-host <name>", "a host name by which /_kms/ is called, may be given several times", several)
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
    const { host, cors, control, controlHost: controlHosts } = options;
    const tls = await tlsOf(options);
    const endpoint = await kms.listen(defined({ port, host, tls, cors, control, controlHosts }));
    const shutdown = untilShutdown();
    print(endpoint.url);
    const saved = options.tls && endpoint.certificate !== undefined ? await save(endpoint.certificate) : undefined;
    if (saved) print(`certificate: ${saved.file}`);
    await shutdown;
    await endpoint.close();
    await saved?.remove();
    await data?.close();
  },
});

/** @throws UsageError for a certificate without its key, and for files that can't be read */
async function tlsOf({ tls, tlsCert, tlsKey }: KmsOptions): Promise<boolean | KmsCertificate | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return tls;
  if (tls || tlsCert === undefined || tlsKey === undefined)
    throw new UsageError("TLS takes either --tls, or --tls-cert and --tls-key together");
  const [cert, key] = await Promise.all(
    [tlsCert, tlsKey].map((file) =>
      readFile(file, "utf8").catch((error: unknown) => {
        throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
      }),
    ),
  );
  return { cert: cert ?? "", key: key ?? "" };
}

/** Writes a certificate to a file of its own, for clients to trust. */
async function save(certificate: string): Promise<{ file: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "recording-keystore-kms-"));
  const file = join(folder, "certificate.pem");
  await writeFile(file, certificate);
  return { file, remove: () => rm(folder, { recursive: true, force: true }) };
}

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
