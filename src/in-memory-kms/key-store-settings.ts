import { defined } from "../util/defined.js";
import { AwsError, validation } from "./aws-error.js";
import { connectivities, type CloudHsmSettings, type CustomKeyStore, type XksSettings } from "./custom-key-store.js";
import { readInput, type InputOf } from "./input.js";

/** Members of the requests that create and update a custom key store. */
export const settingRules = {
  CloudHsmClusterId: { type: "string", min: 19, max: 24, pattern: "cluster-[2-7a-zA-Z]{11,16}" },
  KeyStorePassword: { type: "string", min: 7, max: 32, sensitive: true },
  XksProxyUriEndpoint: { type: "string", min: 10, max: 128, pattern: "^https://[a-zA-Z0-9.-]+$" },
  XksProxyUriPath: {
    type: "string",
    min: 10,
    max: 128,
    pattern: String.raw`^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`,
  },
  XksProxyVpcEndpointServiceName: {
    type: "string",
    min: 20,
    max: 64,
    pattern: String.raw`^(com|eu)\.amazonaws\.vpce\.([a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+$`,
  },
  XksProxyVpcEndpointServiceOwner: { type: "string", min: 12, max: 12, pattern: "[0-9]{12}" },
  XksProxyAuthenticationCredential: { type: "string-map" },
  XksProxyConnectivity: { type: "string", values: connectivities },
} as const;

type Input = InputOf<typeof settingRules>;
type NewInput = Input & { CustomKeyStoreType?: CustomKeyStore["type"]; TrustAnchorCertificate?: string };
type Member = keyof NewInput;

const cloudHsmMembers: readonly Member[] = ["CloudHsmClusterId", "KeyStorePassword", "TrustAnchorCertificate"];
const xksMembers = (Object.keys(settingRules) as (keyof Input)[]).filter((name) => name.startsWith("Xks"));

/** Settings of a new key store. @throws AwsError for members that are missing, or belong to the other type */
export function newSettings(input: NewInput, accountId: string): CustomKeyStore["settings"] {
  const type = input.CustomKeyStoreType ?? "AWS_CLOUDHSM";
  refuseForeign(input, type);
  if (type === "AWS_CLOUDHSM") {
    requireMembers(input, cloudHsmMembers, type);
    const { CloudHsmClusterId = "", TrustAnchorCertificate = "" } = input;
    return { type, clusterId: CloudHsmClusterId, trustAnchorCertificate: TrustAnchorCertificate };
  }
  const optional = ["XksProxyVpcEndpointServiceOwner", "XksProxyVpcEndpointServiceName"];
  requireMembers(
    input,
    xksMembers.filter((name) => !optional.includes(name)),
    type,
  );
  return xksSettings(input, { type }, accountId);
}

/** Settings of a key store after an update, and whether a connected one can be updated so. */
export function changedSettings(
  { settings }: CustomKeyStore,
  input: Input,
  accountId: string,
): { settings: CustomKeyStore["settings"]; whileConnected: boolean } {
  refuseForeign(input, settings.type);
  if (settings.type === "AWS_CLOUDHSM") {
    const { CloudHsmClusterId: clusterId = settings.clusterId } = input;
    const whileConnected = input.CloudHsmClusterId === undefined && input.KeyStorePassword === undefined;
    return { settings: { ...settings, clusterId }, whileConnected };
  }
  const changeable: readonly Member[] = ["XksProxyAuthenticationCredential", "XksProxyUriPath"];
  const whileConnected = xksMembers.every((name) => input[name] === undefined || changeable.includes(name));
  return { settings: xksSettings(input, settings, accountId), whileConnected };
}

function xksSettings(
  input: Input,
  old: Partial<XksSettings> & Pick<XksSettings, "type">,
  accountId: string,
): XksSettings {
  const { XksProxyConnectivity: connectivity = old.connectivity ?? "PUBLIC_ENDPOINT" } = input;
  const isVpc = connectivity === "VPC_ENDPOINT_SERVICE";
  const service = input.XksProxyVpcEndpointServiceName ?? old.vpcEndpointServiceName;
  if (isVpc && service === undefined)
    throw validation("XksProxyVpcEndpointServiceName is required where XksProxyConnectivity is VPC_ENDPOINT_SERVICE.");
  if (!isVpc && (input.XksProxyVpcEndpointServiceName ?? input.XksProxyVpcEndpointServiceOwner) !== undefined)
    throw validation("A VPC endpoint service is not valid where XksProxyConnectivity is PUBLIC_ENDPOINT.");
  const owner = input.XksProxyVpcEndpointServiceOwner ?? old.vpcEndpointServiceOwner ?? accountId;
  return defined({
    type: old.type,
    connectivity,
    uriEndpoint: input.XksProxyUriEndpoint ?? old.uriEndpoint ?? "",
    uriPath: input.XksProxyUriPath ?? old.uriPath ?? "",
    accessKeyId: accessKeyOf(input) ?? old.accessKeyId ?? "",
    vpcEndpointServiceName: isVpc ? service : undefined,
    vpcEndpointServiceOwner: isVpc ? owner : undefined,
  });
}

const credentialRules = {
  AccessKeyId: { type: "string", required: true, min: 20, max: 30, pattern: "^[A-Z2-7]+$", sensitive: true },
  RawSecretAccessKey: {
    type: "string",
    required: true,
    min: 43,
    max: 64,
    pattern: String.raw`^[a-zA-Z0-9\/+=]+$`,
    sensitive: true,
  },
} as const;

function accessKeyOf({ XksProxyAuthenticationCredential: credential }: Input): string | undefined {
  return credential && readInput(credentialRules, credential, "xksProxyAuthenticationCredential.").AccessKeyId;
}

function refuseForeign(input: NewInput, type: CustomKeyStore["type"]): void {
  const foreign = (type === "AWS_CLOUDHSM" ? xksMembers : cloudHsmMembers).find((name) => input[name] !== undefined);
  if (foreign) throw validation(`${foreign} is not valid for a custom key store of type ${type}.`);
}

function requireMembers(input: NewInput, members: readonly Member[], type: CustomKeyStore["type"]): void {
  const missing = members.find((name) => input[name] === undefined);
  if (missing) throw validation(`${missing} is required for a custom key store of type ${type}.`);
}

/** @throws AwsError for a cluster, proxy or endpoint service that another key store has */
export function requireFree(settings: CustomKeyStore["settings"], others: readonly CustomKeyStore[]): void {
  if (settings.type === "AWS_CLOUDHSM") requireFreeCluster(settings, others);
  else requireFreeProxy(settings, others);
}

function requireFreeCluster({ clusterId }: CloudHsmSettings, others: readonly CustomKeyStore[]): void {
  if (!others.some(({ settings }) => settings.type === "AWS_CLOUDHSM" && settings.clusterId === clusterId)) return;
  throw inUse("CloudHsmClusterInUseException", `The CloudHSM cluster ${clusterId}`);
}

function requireFreeProxy(own: XksSettings, others: readonly CustomKeyStore[]): void {
  const isVpc = own.connectivity === "VPC_ENDPOINT_SERVICE";
  const all = others.flatMap(({ settings }) => (settings.type === "EXTERNAL_KEY_STORE" ? [settings] : []));
  const sameEndpoint = all.filter((other) => other.uriEndpoint === own.uriEndpoint);
  if (sameEndpoint.some((other) => other.uriPath === own.uriPath))
    throw inUse("XksProxyUriInUseException", `The external key store proxy ${own.uriEndpoint}${own.uriPath}`);
  if (sameEndpoint.some((other) => isVpc || other.connectivity === "VPC_ENDPOINT_SERVICE"))
    throw inUse("XksProxyUriEndpointInUseException", `The endpoint ${own.uriEndpoint}`);
  if (isVpc && all.some((other) => other.vpcEndpointServiceName === own.vpcEndpointServiceName))
    throw inUse("XksProxyVpcEndpointServiceInUseException", `The VPC endpoint service`);
}

const inUse = (name: string, what: string) => new AwsError(name, `${what} is in use by another custom key store.`);
