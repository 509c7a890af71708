import { readFileSync } from "node:fs";

/** An organization whose recordings the service keeps. */
export interface Organization {
  /** Stands in paths, and in the encryption context of every KMS call. */
  readonly id: string;
  readonly name: string;
  /** AWS Region in which its KMS key must exist. */
  readonly homeRegion: string;
  /** AWS account that owns its KMS key, 12 digits. */
  readonly kmsAccountId: string;
}

export interface Settings {
  readonly host: string;
  readonly port: number;
  /** Where browsers reach the service, if not at its own address: behind a proxy that ends TLS. */
  readonly origin: string | undefined;
  /** Folder of the recordings; a temporary one, removed at the end, if absent. */
  readonly dataFolder: string | undefined;
  /** URL of the key pair store; a folder beside the recordings if absent. */
  readonly store: string | undefined;
  readonly kms: "embedded" | "aws";
  /** AWS account in which the service runs, 12 digits: key policies name it. */
  readonly serviceAccountId: string;
  readonly organizations: readonly Organization[];
  readonly fleetSecret: Uint8Array | undefined;
}

const demonstration: readonly Organization[] = [
  { id: "northwind-energy", name: "Northwind Energy", homeRegion: "eu-central-1", kmsAccountId: "111122223333" },
  { id: "hinode-clinic", name: "Hinode Clinic", homeRegion: "ap-northeast-1", kmsAccountId: "222233334444" },
];

/** Settings from the environment; docs/guides/deployment.md lists them. @throws Error naming the variable that is wrong */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const read = (name: string) => environment[`SERVICE_${name}`] || undefined;
  const kms = read("KMS") ?? "embedded";
  if (kms !== "embedded" && kms !== "aws") throw new Error("SERVICE_KMS must be embedded or aws");
  const [dataFolder, store, origin] = [read("DATA"), read("STORE"), read("ORIGIN")];
  if (kms === "embedded" && (store ?? dataFolder))
    throw new Error(
      "SERVICE_STORE and SERVICE_DATA need SERVICE_KMS=aws: the embedded KMS forgets its keys at the end",
    );
  if (kms === "aws" && !(dataFolder && read("ORGANIZATIONS") && read("ACCOUNT")))
    throw new Error("SERVICE_KMS=aws needs SERVICE_DATA, SERVICE_ORGANIZATIONS and SERVICE_ACCOUNT");
  if (origin !== undefined && new URL(origin).origin !== origin)
    throw new Error("SERVICE_ORIGIN must be an origin, such as https://recordings.example.com");
  const organizations = read("ORGANIZATIONS");
  const fleetSecret = read("FLEET_SECRET_FILE");
  return {
    host: read("HOST") ?? "127.0.0.1",
    port: Number(environment["PORT"] ?? 0),
    origin,
    dataFolder,
    store,
    kms,
    serviceAccountId: read("ACCOUNT") ?? "444455556666",
    organizations: organizations === undefined ? demonstration : readOrganizations(organizations),
    fleetSecret: fleetSecret === undefined ? undefined : readFileSync(fleetSecret),
  };
}

/** A JSON file with a list of organizations. */
function readOrganizations(file: string): readonly Organization[] {
  const list = JSON.parse(readFileSync(file, "utf8")) as readonly Partial<Organization>[];
  return list.map((one) => {
    const { id, name, homeRegion, kmsAccountId } = one;
    if (!id || !name || !homeRegion || !kmsAccountId)
      throw new Error("SERVICE_ORGANIZATIONS: each needs id, name, homeRegion and kmsAccountId");
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(id))
      throw new Error(`SERVICE_ORGANIZATIONS: ${JSON.stringify(id)} must be small letters, digits and hyphens`);
    return { id, name, homeRegion, kmsAccountId };
  });
}
