import { InMemoryKms, InMemoryKmsProvider } from "../../src/testing/index.js";
import { promise, type FuzzTarget } from "./fuzzer.js";
import { mutateJson } from "./json-mutations.js";
import { checkKeyPolicy, keyPolicyFindingCodes, recordingKeyPolicy } from "../../src/key-policy/index.js";

const accountId = "111122223333";
const serviceAccountId = "765628985471";
const grant = { serviceAccountId, organizationIds: ["org-1", "org-2"] };
/** The only role that policies name. */
const recorderArn = `arn:aws:iam::${serviceAccountId}:role/recorder`;
const recorder = {
  servicePrincipalArns: [recorderArn],
  organizationIds: grant.organizationIds,
  access: "attestations",
} as const;
const written = recordingKeyPolicy({ accountId, grants: [grant, recorder] });
const pasted = {
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "owner",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${accountId}:root` },
      Action: "kms:*",
      Resource: "*",
    },
    {
      Effect: "Allow",
      Principal: { AWS: serviceAccountId },
      Action: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
      Resource: "*",
      Condition: { StringEquals: { "kms:EncryptionContext:genesys-cloud-organization-id": ["org-1", "org-2"] } },
    },
    {
      Effect: "Deny",
      NotPrincipal: { AWS: [`arn:aws:iam::${serviceAccountId}:root`, `arn:aws:iam::${accountId}:root`] },
      NotAction: "kms:Describe*",
      Resource: "*",
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ],
};

/** Does what the recording service does, with a key under this policy. @throws what KMS refuses */
async function use(kms: InMemoryKms, keyId: string): Promise<void> {
  const provider = new InMemoryKmsProvider(
    kms,
    kms.addPrincipal({ arn: recorderArn, identityPolicy: "administrator" }),
  );
  for (const organizationId of grant.organizationIds) {
    const encryptionContext = {
      "genesys-cloud-organization-id": organizationId,
      "recording-keystore:purpose": "private-key",
      "recording-keystore:birth-record": "x",
    };
    const { ciphertext } = await provider.encrypt({ keyId, plaintext: Buffer.from("secret"), encryptionContext });
    await provider.decrypt({ keyId, ciphertext, encryptionContext });
  }
}

export const keyPolicyTarget: FuzzTarget = {
  name: "key policy",
  input: (random) => mutateJson(JSON.stringify(random.pick<object>([written, pasted])), random),
  async run(input) {
    const text = input.toString("utf8");
    const kms = new InMemoryKms();
    let kmsKeyArn: string | undefined;
    let refusal: unknown;
    try {
      kmsKeyArn = kms.createKey({ accountId, region: "eu-west-1", policy: text });
    } catch (error) {
      refusal = error;
    }
    const { ok, findings } = checkKeyPolicy(text, {
      ...grant,
      accountId,
      ...(kmsKeyArn === undefined ? {} : { kmsKeyArn }),
    });
    for (const { code, message, whatToDo } of findings) {
      promise(keyPolicyFindingCodes.includes(code), `an unknown finding: ${code}`);
      promise(
        message !== "" && whatToDo !== "" && !/undefined|\[object/.test(message + whatToDo),
        `says: ${message} ${whatToDo}`,
      );
    }
    promise(ok === findings.every(({ severity }) => severity !== "error"), "says ok with errors");
    if (!ok) return false;
    if (kmsKeyArn !== undefined) await use(kms, kmsKeyArn).catch((error: unknown) => (refusal = error));
    promise(refusal === undefined, `finds nothing wrong, but the service is refused: ${String(refusal)}`);
    return true;
  },
};
