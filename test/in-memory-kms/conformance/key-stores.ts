import { expect } from "vitest";
import { customer } from "../world.js";
import { cloudHsm, createStore, credential, describedStore, vpc, xks, type RowIn } from "./key-store-requests.js";
import { oneProblem, type Input, type Row } from "./row.js";

type Refusal = NonNullable<Row["error"]>;

const created =
  (situation: string, input: Input, shown: Input): RowIn =>
  (region) => ({
    operation: "CreateCustomKeyStore",
    ...{ situation, region },
    source: "documented",
    input: () => input,
    output: async ({ CustomKeyStoreId }, _world, _input, send) => {
      expect(CustomKeyStoreId).toMatch(/^cks-[0-9a-f]{17}$/);
      const { CreationDate, ...rest } = await describedStore(send, region, CustomKeyStoreId);
      expect(CreationDate).toBeInstanceOf(Date);
      expect(rest).toEqual({
        CustomKeyStoreId,
        CustomKeyStoreName: input["CustomKeyStoreName"],
        ConnectionState: "DISCONNECTED",
        ...shown,
      });
    },
  });

const notCreated =
  (situation: string, input: Input, source: Row["source"], error: Refusal): RowIn =>
  (region) => ({ operation: "CreateCustomKeyStore", ...{ situation, region, source, error }, input: () => input });

/** Beside a key store that there is, some of whose members it has too. */
const taken =
  (situation: string, first: Input, second: Input, error: string): RowIn =>
  (region) => ({
    operation: "CreateCustomKeyStore",
    ...{ situation, region },
    source: "documented",
    input: async (_world, send) => {
      await createStore(send, region, first);
      return second;
    },
    error: [error, / in use | named /],
  });

const rows: readonly RowIn[] = [
  created("of a CloudHSM cluster", cloudHsm, {
    CustomKeyStoreType: "AWS_CLOUDHSM",
    CloudHsmClusterId: cloudHsm["CloudHsmClusterId"],
    TrustAnchorCertificate: cloudHsm["TrustAnchorCertificate"],
  }),
  created("of an external key manager behind a VPC endpoint service", vpc, {
    CustomKeyStoreType: "EXTERNAL_KEY_STORE",
    XksProxyConfiguration: {
      Connectivity: "VPC_ENDPOINT_SERVICE",
      AccessKeyId: credential.AccessKeyId,
      UriEndpoint: vpc["XksProxyUriEndpoint"],
      UriPath: "/kms/xks/v1",
      VpcEndpointServiceName: vpc["XksProxyVpcEndpointServiceName"],
      VpcEndpointServiceOwner: customer,
    },
  }),
  notCreated(
    "with a secret that is too short, and is not quoted",
    { ...xks, XksProxyAuthenticationCredential: { ...credential, RawSecretAccessKey: "tooshort" } },
    "documented",
    [
      "ValidationException",
      oneProblem(
        "Value at 'xksProxyAuthenticationCredential.rawSecretAccessKey' failed to satisfy constraint: Member must have length greater than or equal to 43",
      ),
    ],
  ),
  notCreated("of a cluster without its password", { ...cloudHsm, KeyStorePassword: undefined }, "ours", [
    "ValidationException",
    "KeyStorePassword is required for a custom key store of type AWS_CLOUDHSM.",
  ]),
  notCreated("of a cluster with a proxy", { ...cloudHsm, XksProxyUriPath: "/kms/xks/v1" }, "ours", [
    "ValidationException",
    "XksProxyUriPath is not valid for a custom key store of type AWS_CLOUDHSM.",
  ]),
  notCreated(
    "behind a VPC endpoint service without its name",
    { ...vpc, XksProxyVpcEndpointServiceName: undefined },
    "ours",
    [
      "ValidationException",
      "XksProxyVpcEndpointServiceName is required where XksProxyConnectivity is VPC_ENDPOINT_SERVICE.",
    ],
  ),
  (region) => ({
    operation: "CreateCustomKeyStore",
    situation: "the eleventh of an account and Region",
    source: "documented",
    region,
    input: (w) => {
      for (let count = 0; count < 10; count += 1) w.kms.keyStores.create({ ...w.inAccount, region });
      return xks;
    },
    error: ["LimitExceededException", /quota .* 10, current usage is 10/],
  }),
  taken(
    "under a name that is taken",
    xks,
    { ...cloudHsm, CustomKeyStoreName: xks["CustomKeyStoreName"] },
    "CustomKeyStoreNameInUseException",
  ),
  taken(
    "of a cluster that another has",
    cloudHsm,
    { ...cloudHsm, CustomKeyStoreName: "other" },
    "CloudHsmClusterInUseException",
  ),
  taken("of a proxy that another has", xks, { ...xks, CustomKeyStoreName: "other" }, "XksProxyUriInUseException"),
  taken(
    "of a private endpoint that another has as a public one",
    xks,
    { ...vpc, XksProxyUriEndpoint: xks["XksProxyUriEndpoint"], XksProxyUriPath: "/other/kms/xks/v1" },
    "XksProxyUriEndpointInUseException",
  ),
  taken(
    "of a VPC endpoint service that another has",
    vpc,
    { ...vpc, CustomKeyStoreName: "other", XksProxyUriEndpoint: "https://other.example.com" },
    "XksProxyVpcEndpointServiceInUseException",
  ),
];

export const keyStoreRows: readonly Row[] = rows.map((make, index) => make(`eu-west-${100 + index}`));
