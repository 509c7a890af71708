import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import {
  connectionErrorCodes,
  connectionStates,
  connectivities,
  CustomKeyStore,
  keyStoreTypes,
  type CloudHsmSettings,
  type Connection,
  type ConnectionPlan,
  type KeyStoreType,
  type XksSettings,
} from "./custom-key-store.js";
import { count, oneOf, optional, pattern, text } from "./snapshot-fields.js";

/** A custom key store. Times are in ms since the Unix epoch. No password and no secret of a proxy is in it. */
export interface KmsKeyStoreSnapshot {
  /** `cks-` and 17 hexadecimal digits. */
  readonly id: string;
  readonly accountId: string;
  readonly region: string;
  readonly createdAt: number;
  readonly name: string;
  readonly settings: CloudHsmSettings | XksSettings;
  readonly connection: Connection;
  /** What becomes of the next attempts to connect. */
  readonly plan: ConnectionPlan;
}

export function keyStoreJson(store: CustomKeyStore): KmsKeyStoreSnapshot {
  const { id, accountId, region, createdAt, name, settings, connection, plan } = store;
  return { id, accountId, region, createdAt, name, settings, connection, plan };
}

const fields = {
  id: true,
  accountId: true,
  region: true,
  createdAt: true,
  name: true,
  settings: true,
  connection: true,
  plan: true,
} as const;

export const keyStoreIdForm = /^cks-[0-9a-f]{17}$/;

/** @param place - reads account and Region, as of all that a snapshot has */
export function keyStoreFrom(
  given: unknown,
  path: string,
  place: (json: { accountId: unknown; region: unknown }, path: string) => { accountId: string; region: string },
): CustomKeyStore {
  const json = knownOptions(given as KmsKeyStoreSnapshot, fields, path);
  const settings = settingsFrom(json.settings, `${path}.settings`);
  return new CustomKeyStore({
    ...place(json, path),
    id: pattern(json.id, keyStoreIdForm, `${path}.id`),
    createdAt: count(json.createdAt, `${path}.createdAt`),
    name: text(json.name, `${path}.name`),
    settings,
    connection: connectionFrom(json.connection, `${path}.connection`, settings.type),
    plan: planFrom(json.plan, `${path}.plan`, settings.type),
  });
}

const settingFields = {
  AWS_CLOUDHSM: { type: true, clusterId: true, trustAnchorCertificate: true },
  EXTERNAL_KEY_STORE: {
    type: true,
    connectivity: true,
    uriEndpoint: true,
    uriPath: true,
    accessKeyId: true,
    vpcEndpointServiceName: true,
    vpcEndpointServiceOwner: true,
  },
} as const;

function settingsFrom(given: unknown, path: string): CloudHsmSettings | XksSettings {
  if (typeof given !== "object" || given === null) throw new InvalidInputError(path, "must be an object");
  const type = oneOf("type" in given ? given.type : undefined, keyStoreTypes, `${path}.type`);
  if (type === "AWS_CLOUDHSM") {
    const json = knownOptions(given as CloudHsmSettings, settingFields[type], path);
    return {
      type,
      clusterId: text(json.clusterId, `${path}.clusterId`),
      trustAnchorCertificate: text(json.trustAnchorCertificate, `${path}.trustAnchorCertificate`),
    };
  }
  const json = knownOptions(given as XksSettings, settingFields[type], path);
  const maybe = (name: "vpcEndpointServiceName" | "vpcEndpointServiceOwner") =>
    optional(json[name], (value) => text(value, `${path}.${name}`));
  return defined({
    type,
    connectivity: oneOf(json.connectivity, connectivities, `${path}.connectivity`),
    uriEndpoint: text(json.uriEndpoint, `${path}.uriEndpoint`),
    uriPath: text(json.uriPath, `${path}.uriPath`),
    accessKeyId: text(json.accessKeyId, `${path}.accessKeyId`),
    vpcEndpointServiceName: maybe("vpcEndpointServiceName"),
    vpcEndpointServiceOwner: maybe("vpcEndpointServiceOwner"),
  });
}

function connectionFrom(given: unknown, path: string, type: KeyStoreType): Connection {
  const json = knownOptions(given as Connection, { state: true, errorCode: true, due: true }, path);
  return defined({
    state: oneOf(json.state, connectionStates, `${path}.state`),
    errorCode: optional(json.errorCode, (code) => errorCodeFrom(code, `${path}.errorCode`, type)),
    due: optional(json.due, (value) => count(value, `${path}.due`)),
  });
}

/** What becomes of attempts to connect a key store. @throws InvalidInputError naming the member that can't be so */
export function planFrom(given: unknown, path: string, type: KeyStoreType): ConnectionPlan {
  const { takesMs, failsWith } = knownOptions(given as ConnectionPlan, { takesMs: true, failsWith: true }, path);
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  const milliseconds = count(takesMs, at("takesMs"));
  if (milliseconds < 0) throw new InvalidInputError(at("takesMs"), "must be at least 0");
  return defined({
    takesMs: milliseconds,
    failsWith: optional(failsWith, (code) => errorCodeFrom(code, at("failsWith"), type)),
  });
}

function errorCodeFrom(code: unknown, path: string, type: KeyStoreType) {
  return oneOf<NonNullable<Connection["errorCode"]>>(code, connectionErrorCodes[type], path);
}
