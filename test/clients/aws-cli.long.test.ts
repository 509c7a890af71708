import { execFile } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startKms, type KmsProcess } from "../support/kms-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { clientEnvironment, seedArguments } from "./environment.js";

const recorder = "arn:aws:iam::444455556666:role/recorder";

let kms: KmsProcess;
let folder: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder("aws-cli-"));
  kms = await startKms(seedArguments);
});
afterEach(() => kms.control.heal());
afterAll(async () => {
  await kms[Symbol.asyncDispose]();
  await remove();
});

/** Runs `aws kms …` as a shell would, without a shell: `file` names of one's own are below the folder. */
async function awsText(command: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  // Debian's version is older than AWS_ENDPOINT_URL_KMS.
  const args = ["--endpoint-url", kms.url, "kms", ...command.split(" "), "--no-cli-pager"];
  const ran = promisify(execFile)("/usr/bin/aws", args, {
    cwd: folder,
    env: { ...clientEnvironment(kms.url), ...env },
  });
  return (await ran).stdout.trim();
}

const aws = async (command: string, env?: NodeJS.ProcessEnv) =>
  JSON.parse((await awsText(command, env)) || "{}") as Record<string, unknown>;

/** The CLI's last words, and the exit code by which scripts know a service's error. */
const refusal = (said: RegExp) => ({ code: 254, stderr: expect.stringMatching(said) as string });

const createKey = (options = "") => awsText(`create-key --query KeyMetadata.KeyId --output text ${options}`.trim());
const put = (name: string, content: string | Buffer) => writeFile(join(folder, name), content);

/** Decodes what the CLI printed as base64 into a file, as scripts do by `base64 -d`. */
async function save(name: string, base64: unknown): Promise<void> {
  await put(name, Buffer.from(base64 as string, "base64"));
}

// Each call is a Python process that reads half of AWS: many seconds on a busy machine.
describe("the AWS CLI", { timeout: 1_800_000 }, () => {
  it("makes a key, names it, and goes through its states", async () => {
    const key = await createKey("--description calls --tags TagKey=team,TagValue=voice");
    await aws(`create-alias --alias-name alias/cli --target-key-id ${key}`);
    expect(await aws("describe-key --key-id alias/cli")).toMatchObject({
      KeyMetadata: { KeyId: key, Description: "calls", KeyState: "Enabled", KeySpec: "SYMMETRIC_DEFAULT" },
    });
    expect(await awsText(`list-resource-tags --key-id ${key} --query Tags[].TagValue --output text`)).toBe("voice");
    const encrypt = `encrypt --key-id ${key} --plaintext eA==`;
    await aws(`disable-key --key-id ${key}`);
    await expect(aws(encrypt)).rejects.toMatchObject(
      refusal(/An error occurred \(DisabledException\) when calling the Encrypt operation: arn:.* is disabled\./),
    );
    await aws(`enable-key --key-id ${key}`);
    expect(await aws(encrypt)).toMatchObject({ EncryptionAlgorithm: "SYMMETRIC_DEFAULT" });
    expect(await aws(`schedule-key-deletion --key-id ${key} --pending-window-in-days 7`)).toMatchObject({
      KeyState: "PendingDeletion",
      DeletionDate: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    });
    await expect(aws(encrypt)).rejects.toMatchObject(refusal(/KMSInvalidStateException.* is pending deletion\./));
    await kms.control.advance(8 * 86_400_000);
    await expect(aws("describe-key --key-id alias/cli")).rejects.toMatchObject(
      refusal(/\(NotFoundException\).*: Alias arn:aws:kms:eu-west-1:111122223333:alias\/cli is not found\./),
    );
  });

  it("encrypts a file under a context, and opens it under no other", async () => {
    await put("plain.bin", "a recording");
    const context = "--encryption-context purpose=test,organization=org-1";
    const sealed = await aws(`encrypt --key-id alias/recordings --plaintext fileb://plain.bin ${context}`);
    await save("sealed.bin", sealed["CiphertextBlob"]);
    const decrypt = "decrypt --ciphertext-blob fileb://sealed.bin";
    const opened = await awsText(`${decrypt} ${context} --query Plaintext --output text`);
    expect(Buffer.from(opened, "base64").toString()).toBe("a recording");
    await expect(aws(`${decrypt} --encryption-context purpose=other`)).rejects.toMatchObject(
      refusal(/An error occurred \(InvalidCiphertextException\) when calling the Decrypt operation/),
    );
    const dataKey = await aws(`generate-data-key --key-id alias/recordings --key-spec AES_256 ${context}`);
    await save("data-key.bin", dataKey["CiphertextBlob"]);
    expect(await aws(`decrypt --ciphertext-blob fileb://data-key.bin ${context}`)).toMatchObject({
      Plaintext: dataKey["Plaintext"],
    });
    const pair = await aws("generate-data-key-pair --key-id alias/recordings --key-pair-spec ECC_NIST_P256");
    await save("pair.bin", pair["PrivateKeyCiphertextBlob"]);
    expect(await aws("decrypt --ciphertext-blob fileb://pair.bin")).toMatchObject({
      Plaintext: pair["PrivateKeyPlaintext"],
    });
  });

  it("signs a file, whose signature OpenSSL verifies, and authenticates it", async () => {
    await put("message.txt", "message");
    const signer = await createKey("--key-spec RSA_2048 --key-usage SIGN_VERIFY");
    const signing = `--key-id ${signer} --message fileb://message.txt --signing-algorithm RSASSA_PKCS1_V1_5_SHA_256`;
    await save("signature.bin", (await aws(`sign ${signing}`))["Signature"]);
    await save("public.der", (await aws(`get-public-key --key-id ${signer}`))["PublicKey"]);
    const [der, signature] = await Promise.all(
      ["public.der", "signature.bin"].map((name) => readFile(join(folder, name))),
    );
    const key = createPublicKey({ key: der!, format: "der", type: "spki" });
    expect(verify("sha256", Buffer.from("message"), key, signature!)).toBe(true);
    const verifying = `verify ${signing} --signature fileb://signature.bin`;
    expect(await aws(verifying)).toMatchObject({ SignatureValid: true });
    await expect(aws(verifying.replace("fileb://message.txt", "eA=="))).rejects.toMatchObject(
      refusal(/\(KMSInvalidSignatureException\) when calling the Verify operation/),
    );
    const mac = await createKey("--key-spec HMAC_256 --key-usage GENERATE_VERIFY_MAC");
    const macOf = `--key-id ${mac} --message fileb://message.txt --mac-algorithm HMAC_SHA_256`;
    await save("mac.bin", (await aws(`generate-mac ${macOf}`))["Mac"]);
    expect(await aws(`verify-mac ${macOf} --mac fileb://mac.bin`)).toMatchObject({ MacValid: true });
  });

  it("acts by a grant", async () => {
    const arn = await awsText("create-key --query KeyMetadata.Arn --output text");
    const asRecorder = (command: string) => aws(command, { AWS_ACCESS_KEY_ID: "AKIARECORDER" });
    const encrypt = `encrypt --key-id ${arn} --plaintext eA==`;
    await expect(asRecorder(encrypt)).rejects.toMatchObject(
      refusal(/\(AccessDeniedException\).*: User: arn:aws:iam::444455556666:role\/recorder is not authorized/),
    );
    const created = `create-grant --key-id ${arn} --grantee-principal ${recorder} --operations Encrypt Decrypt`;
    const grantId = (await aws(created))["GrantId"] as string;
    expect(await asRecorder(encrypt)).toMatchObject({ KeyId: arn });
    expect(await aws(`list-grants --key-id ${arn}`)).toMatchObject({
      Grants: [{ GrantId: grantId, GranteePrincipal: recorder, Operations: ["Encrypt", "Decrypt"] }],
    });
    await aws(`revoke-grant --key-id ${arn} --grant-id ${grantId}`);
    await expect(asRecorder(encrypt)).rejects.toMatchObject(refusal(/\(AccessDeniedException\)/));
  });

  it("pages by itself", async () => {
    const key = await createKey();
    for (const name of ["a", "b", "c"])
      await aws(`create-alias --alias-name alias/page-${name} --target-key-id ${key}`);
    await kms.control.clearJournal();
    const aliases = `list-aliases --key-id ${key} --query Aliases[].AliasName --output json`;
    expect(JSON.parse(await awsText(`${aliases} --page-size 1`))).toEqual([
      "alias/page-a",
      "alias/page-b",
      "alias/page-c",
    ]);
    expect(await kms.control.calls({ operation: "ListAliases" })).toHaveLength(3);
  });

  it("tries again while it is throttled, and says so when it gives up", async () => {
    await kms.control.inject("throttling", { operation: "DescribeKey", times: 2 });
    const describeKey = "describe-key --key-id alias/recordings";
    expect(await aws(describeKey, { AWS_MAX_ATTEMPTS: "3" })).toMatchObject({ KeyMetadata: { Enabled: true } });
    await kms.control.inject("throttling", { operation: "DescribeKey" });
    await expect(aws(describeKey, { AWS_MAX_ATTEMPTS: "1" })).rejects.toMatchObject(
      refusal(
        /An error occurred \(ThrottlingException\) when calling the DescribeKey operation \(reached max retries: 0\)/,
      ),
    );
  });
});
