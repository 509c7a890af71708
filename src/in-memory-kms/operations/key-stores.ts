import { defined } from "../../util/defined.js";
import { AwsError, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { CustomKeyStore, keyStoreTypes, newKeyStoreId, type ConnectionState } from "../custom-key-store.js";
import { changedSettings, newSettings, requireFree, settingRules } from "../key-store-settings.js";
import { limitRule, markerRule, operation } from "../operation.js";
import { page } from "../paging.js";
import { WireTime } from "../wire.js";

const idRule = { type: "string", min: 1, max: 64 } as const;
const requiredIdRule = { ...idRule, required: true } as const;
const nameRule = { type: "string", min: 1, max: 256 } as const;
const maxKeyStores = 10;

export const keyStoreOperations = [
  operation(
    "CreateCustomKeyStore",
    {
      CustomKeyStoreName: { ...nameRule, required: true },
      CustomKeyStoreType: { type: "string", values: keyStoreTypes },
      TrustAnchorCertificate: { type: "string", min: 1, max: 5000 },
      ...settingRules,
    },
    (call, input) => {
      call.allow("kms:CreateCustomKeyStore");
      const settings = newSettings(input, call.accountId);
      requireFreeName(call, input.CustomKeyStoreName);
      const { length } = ownKeyStores(call);
      if (length >= maxKeyStores) {
        throw new AwsError(
          "LimitExceededException",
          `Custom key stores quota for this account in this region is ${maxKeyStores}, current usage is ${length}.`,
        );
      }
      requireFree(settings, ownKeyStores(call));
      const { accountId, region } = call;
      const store = new CustomKeyStore({
        ...{ accountId, region, settings },
        id: newKeyStoreId(),
        name: input.CustomKeyStoreName,
        createdAt: call.state.now,
      });
      call.state.putKeyStore(store);
      return { CustomKeyStoreId: store.id };
    },
  ),

  operation(
    "DescribeCustomKeyStores",
    { CustomKeyStoreId: idRule, CustomKeyStoreName: nameRule, Limit: limitRule, Marker: markerRule },
    (call, input) => {
      const { CustomKeyStoreId: id, CustomKeyStoreName: name } = input;
      call.allow("kms:DescribeCustomKeyStores");
      if (id !== undefined && name !== undefined)
        throw validation("You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request.");
      const stores = ownKeyStores(call).filter(
        (store) => (id === undefined || store.id === id) && (name === undefined || store.name === name),
      );
      const named = id ?? name;
      if (named !== undefined && stores.length === 0) throw noKeyStore(named);
      return page("CustomKeyStores", stores, input, { id: (store) => store.id, show: entry });
    },
  ),

  operation(
    "UpdateCustomKeyStore",
    { CustomKeyStoreId: requiredIdRule, NewCustomKeyStoreName: nameRule, ...settingRules },
    (call, input) => {
      const store = ownKeyStore(call, input.CustomKeyStoreId);
      const { settings, whileConnected } = changedSettings(store, input, call.accountId);
      requireConnection(store, whileConnected ? ["CONNECTED", "DISCONNECTED"] : ["DISCONNECTED"]);
      const { NewCustomKeyStoreName: name = store.name } = input;
      if (name !== store.name) requireFreeName(call, name);
      const others = ownKeyStores(call).filter((other) => other !== store);
      requireFree(settings, others);
      store.name = name;
      store.settings = settings;
      return {};
    },
  ),

  operation("DeleteCustomKeyStore", { CustomKeyStoreId: requiredIdRule }, (call, input) => {
    const store = ownKeyStore(call, input.CustomKeyStoreId);
    requireConnection(store, ["DISCONNECTED"]);
    if (call.state.keysOfStore(store).length > 0) {
      throw new AwsError("CustomKeyStoreHasCMKsException", `The custom key store ${store.id} contains KMS keys.`);
    }
    call.state.removeKeyStore(store);
    return {};
  }),

  operation("ConnectCustomKeyStore", { CustomKeyStoreId: requiredIdRule }, (call, input) => {
    const store = ownKeyStore(call, input.CustomKeyStoreId);
    requireConnection(store, ["CONNECTED", "CONNECTING", "DISCONNECTED"]);
    if (store.connection.state === "DISCONNECTED") store.connect(call.state.now);
    return {};
  }),

  operation("DisconnectCustomKeyStore", { CustomKeyStoreId: requiredIdRule }, (call, input) => {
    const store = ownKeyStore(call, input.CustomKeyStoreId);
    requireConnection(store, ["CONNECTED", "CONNECTING", "FAILED"]);
    store.disconnect(call.state.now);
    return {};
  }),
];

function ownKeyStores({ state, accountId, region }: KmsCall): CustomKeyStore[] {
  return state.keyStores({ accountId, region });
}

/** A key store that the caller may do this with. Those of other accounts and Regions are not there. */
function ownKeyStore(call: KmsCall, id: string): CustomKeyStore {
  call.allow(`kms:${call.operation}`);
  return keyStoreOf(call, id);
}

/** @throws AwsError for a key store that is not in the caller's account and Region */
export function keyStoreOf(call: KmsCall, id: string): CustomKeyStore {
  const store = ownKeyStores(call).find((own) => own.id === id);
  if (!store) throw noKeyStore(id);
  return store;
}

const noKeyStore = (named: string) =>
  new AwsError("CustomKeyStoreNotFoundException", `The custom key store ${named} does not exist.`);

/** @throws AwsError unless the key store's connection is in one of the states */
export function requireConnection({ id, connection }: CustomKeyStore, states: readonly ConnectionState[]): void {
  if (states.includes(connection.state)) return;
  throw new AwsError(
    "CustomKeyStoreInvalidStateException",
    `The connection state of the custom key store ${id} is ${connection.state}, and must be ${states.join(" or ")}.`,
  );
}

function requireFreeName(call: KmsCall, name: string): void {
  if (ownKeyStores(call).some((store) => store.name === name))
    throw new AwsError("CustomKeyStoreNameInUseException", `A custom key store is named ${name} already.`);
}

function entry({ id, name, connection, createdAt, settings }: CustomKeyStore): object {
  return defined({
    CustomKeyStoreId: id,
    CustomKeyStoreName: name,
    CustomKeyStoreType: settings.type,
    ConnectionState: connection.state,
    ConnectionErrorCode: connection.errorCode,
    CreationDate: new WireTime(createdAt),
    ...(settings.type === "AWS_CLOUDHSM"
      ? { CloudHsmClusterId: settings.clusterId, TrustAnchorCertificate: settings.trustAnchorCertificate }
      : {
          XksProxyConfiguration: defined({
            Connectivity: settings.connectivity,
            AccessKeyId: settings.accessKeyId,
            UriEndpoint: settings.uriEndpoint,
            UriPath: settings.uriPath,
            VpcEndpointServiceName: settings.vpcEndpointServiceName,
            VpcEndpointServiceOwner: settings.vpcEndpointServiceOwner,
          }),
        }),
  });
}
