import { InMemoryKms, TestClock } from "../../src/testing/index.js";

export const customer = "111122223333";
export const service = "765628985471";
export const home = "us-east-1";
export const day = 86_400_000;
export const context = { "genesys-cloud-organization-id": "org-1", purpose: "test" };

/** Two accounts, some keys, some callers. */
export function makeWorld() {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock, pooledKeyPairs: true });
  const principal = (arn: string, identityPolicy: string | object = "administrator") =>
    kms.addPrincipal({ arn, identityPolicy }).accessKeyId;
  const nothing = { Version: "2012-10-17", Statement: [] };
  const callers = {
    admin: principal(`arn:aws:iam::${customer}:root`),
    alice: principal(`arn:aws:iam::${customer}:user/alice`),
    bob: principal(`arn:aws:iam::${customer}:user/bob`, nothing),
    session: principal(`arn:aws:sts::${customer}:assumed-role/recorder/session-1`, nothing),
    /** Alice, whom Amazon S3 calls for. */
    throughS3: kms.addPrincipal({
      arn: `arn:aws:iam::${customer}:user/alice`,
      identityPolicy: "administrator",
      conditionKeys: { "kms:ViaService": `s3.${home}.amazonaws.com` },
    }).accessKeyId,
    service: principal(`arn:aws:iam::${service}:role/recording`),
    stranger: principal("arn:aws:iam::999999999999:user/mallory"),
  };
  const inAccount = { accountId: customer, region: home };
  const key = kms.createKey({ ...inAccount, alias: "alias/recordings" });
  const aliasArn = key.replace(/:key\/.*/, ":alias/recordings");
  return { clock, kms, callers, inAccount, key, keyId: key.slice(key.indexOf("/") + 1), aliasArn };
}

export type World = ReturnType<typeof makeWorld>;
export type CallerName = keyof World["callers"];
