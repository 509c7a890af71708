import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  PutKeyPolicyCommand,
  RevokeGrantCommand,
} from "@aws-sdk/client-kms";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";
import { accountId, homeRegion, playerArn } from "./shared.js";

/** How an organization gives players the right to its KMS key, and takes it away again. */
interface Withdrawal {
  readonly give: (keyId: string, organizationId: string) => Promise<unknown>;
  readonly withdraw: (keyId: string, organizationId: string) => Promise<unknown>;
}

/** The administrator of the KMS keys on one KMS. */
export class Administrator {
  readonly #client: KMSClient;
  /** Id of the grant on a key. */
  readonly #grants = new Map<string, string | undefined>();

  constructor(endpoint: string) {
    const credentials = { accessKeyId: "AKIAADMIN", secretAccessKey: "any" };
    this.#client = new KMSClient({ region: homeRegion, endpoint, credentials, maxAttempts: 10 });
  }

  get client(): KMSClient {
    return this.#client;
  }

  close(): void {
    this.#client.destroy();
  }

  /** A new KMS key behind an alias. Only its own account may use it. */
  async createKey(alias: string): Promise<{ keyId: string; kmsKeyAliasArn: string }> {
    const { KeyMetadata } = await this.#client.send(new CreateKeyCommand({}));
    const keyId = KeyMetadata?.Arn ?? "";
    await this.#client.send(new CreateAliasCommand({ AliasName: `alias/${alias}`, TargetKeyId: keyId }));
    return { keyId, kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:alias/${alias}` };
  }

  /** By the call that withdraws. */
  readonly withdrawals: Readonly<Record<"DisableKey" | "RevokeGrant" | "PutKeyPolicy", Withdrawal>> = {
    DisableKey: {
      give: async (keyId, organizationId) => {
        await this.#putPolicy(keyId, organizationId, playerArn);
        await this.#client.send(new EnableKeyCommand({ KeyId: keyId }));
      },
      withdraw: (keyId) => this.#client.send(new DisableKeyCommand({ KeyId: keyId })),
    },
    RevokeGrant: {
      give: async (keyId, organizationId) => {
        const EncryptionContextSubset = { "genesys-cloud-organization-id": organizationId };
        const grant = new CreateGrantCommand({
          KeyId: keyId,
          GranteePrincipal: playerArn,
          Operations: ["Decrypt"],
          Constraints: { EncryptionContextSubset },
        });
        this.#grants.set(keyId, (await this.#client.send(grant)).GrantId);
      },
      withdraw: (keyId) =>
        this.#client.send(new RevokeGrantCommand({ KeyId: keyId, GrantId: this.#grants.get(keyId) })),
    },
    PutKeyPolicy: {
      give: (keyId, organizationId) => this.#putPolicy(keyId, organizationId, playerArn),
      withdraw: (keyId, organizationId) => this.#putPolicy(keyId, organizationId, playerArn.replace("player", "other")),
    },
  };

  #putPolicy(keyId: string, organizationId: string, roleArn: string): Promise<unknown> {
    const policy = recordingKeyPolicy({
      accountId,
      grants: [{ servicePrincipalArns: [roleArn], organizationIds: [organizationId] }],
    });
    return this.#client.send(
      new PutKeyPolicyCommand({ KeyId: keyId, Policy: JSON.stringify(policy), BypassPolicyLockoutSafetyCheck: true }),
    );
  }
}
