import { KMSClient } from "@aws-sdk/client-kms";
import { AwsKmsProvider } from "recording-keystore/aws";
import { recordingKeyPolicy } from "recording-keystore/key-policy";
import { InMemoryKms } from "recording-keystore/testing";
import type { Organization, Settings } from "./settings.js";

/** What the demonstration's switch does to AWS KMS. */
export const kmsConditions = ["available", "unreachable", "throttled", "denied", "disabled"] as const;
export type KmsCondition = (typeof kmsConditions)[number];

const faultOf = { unreachable: "connection-refused", throttled: "throttling", denied: "access-denied" } as const;

/** AWS KMS in memory, with each organization's key in an account of its own, and a switch that takes it away. */
export class EmbeddedKms {
  readonly provider: AwsKmsProvider;
  readonly #kms = new InMemoryKms({ allowInProduction: true });
  readonly #keyArns: string[] = [];
  #condition: KmsCondition = "available";

  constructor({ organizations, serviceAccountId }: Pick<Settings, "organizations" | "serviceAccountId">) {
    for (const organization of organizations) this.#createKeys(organization, serviceAccountId);
    const recorder = this.#kms.addPrincipal({
      arn: `arn:aws:iam::${serviceAccountId}:role/recording-service`,
      identityPolicy: "administrator",
    });
    // The real SDK, whose requests end in memory. `new AwsKmsProvider()` is AWS itself.
    this.provider = new AwsKmsProvider({
      client: (region) => new KMSClient({ ...this.#kms.clientConfig(region, recorder), maxAttempts: 2 }),
    });
  }

  get condition(): KmsCondition {
    return this.#condition;
  }

  set condition(condition: KmsCondition) {
    this.#kms.faults.heal();
    for (const keyArn of this.#keyArns)
      if (condition === "disabled") this.#kms.disableKey(keyArn);
      else this.#kms.enableKey(keyArn);
    if (condition !== "available" && condition !== "disabled") this.#kms.faults.inject(faultOf[condition]);
    this.#condition = condition;
  }

  /** One key as it should be, and two that fail a test. */
  #createKeys({ id, homeRegion: region, kmsAccountId: accountId }: Organization, serviceAccountId: string): void {
    const policy = recordingKeyPolicy({ accountId, grants: [{ serviceAccountId, organizationIds: [id] }] });
    this.#keyArns.push(this.#kms.createKey({ accountId, region, policy, alias: "alias/recordings" }));
    this.#kms.createKey({ accountId, region, alias: "alias/not-permitted" });
    this.#kms.disableKey(this.#kms.createKey({ accountId, region, policy, alias: "alias/switched-off" }));
  }
}

/** Alias ARNs that the demonstration proposes. */
export function proposedAliases({ homeRegion, kmsAccountId }: Organization): string[] {
  return ["recordings", "not-permitted", "switched-off"].map(
    (name) => `arn:aws:kms:${homeRegion}:${kmsAccountId}:alias/${name}`,
  );
}
