import { fileURLToPath } from "node:url";

/** What the in-memory KMS of these tests begins with: one key, and three who call. */
export const seedArguments = ["--seed", fileURLToPath(new URL("seed.json", import.meta.url))];

/** Environment of a client, with nothing of the machine's own settings for AWS. */
export function clientEnvironment(url: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("AWS_") && !name.startsWith("NODE_"),
  );
  return {
    ...Object.fromEntries(inherited),
    KMS_URL: url,
    AWS_ENDPOINT_URL_KMS: url,
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "AKIAADMIN",
    AWS_SECRET_ACCESS_KEY: "any",
    AWS_CONFIG_FILE: "no-such-file",
    AWS_SHARED_CREDENTIALS_FILE: "no-such-file",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE: "1",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    no_proxy: "*",
  };
}
