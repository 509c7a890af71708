import type { Send } from "../cases.js";
import type { Input, Row } from "./row.js";

/** A row in a Region of its own, so that no quota and no name of another row's key stores counts. */
export type RowIn = (region: string) => Row;

export const credential = { AccessKeyId: "ABCDEFGHIJKLMNOPQRST", RawSecretAccessKey: "s".repeat(43) };

export const xks: Input = {
  CustomKeyStoreName: "external",
  CustomKeyStoreType: "EXTERNAL_KEY_STORE",
  XksProxyConnectivity: "PUBLIC_ENDPOINT",
  XksProxyUriEndpoint: "https://xks.example.com",
  XksProxyUriPath: "/kms/xks/v1",
  XksProxyAuthenticationCredential: credential,
};

/** Of which nothing but the endpoint service is as that of {@link xks}. */
export const vpc: Input = {
  ...xks,
  CustomKeyStoreName: "behind an endpoint service",
  XksProxyConnectivity: "VPC_ENDPOINT_SERVICE",
  XksProxyUriEndpoint: "https://xks.internal.example.com",
  XksProxyVpcEndpointServiceName: "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
};

export const cloudHsm: Input = {
  CustomKeyStoreName: "cluster",
  CloudHsmClusterId: "cluster-abcdefghijk",
  KeyStorePassword: "kmsPswd",
  TrustAnchorCertificate: "-----BEGIN CERTIFICATE-----",
};

export async function createStore(send: Send, region: string, input: Input): Promise<string> {
  const { CustomKeyStoreId } = await send("CreateCustomKeyStore", input, "alice", region);
  return CustomKeyStoreId as string;
}

export async function describedStore(send: Send, region: string, CustomKeyStoreId: unknown): Promise<Input> {
  const { CustomKeyStores } = await send("DescribeCustomKeyStores", { CustomKeyStoreId }, "alice", region);
  const [store] = CustomKeyStores as Input[];
  if (!store) throw new Error("There is no such key store");
  return store;
}
