import { randomBytes } from "node:crypto";

export const keyStoreTypes = ["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const;
export type KeyStoreType = (typeof keyStoreTypes)[number];

export const connectionStates = ["CONNECTED", "CONNECTING", "FAILED", "DISCONNECTED", "DISCONNECTING"] as const;
export type ConnectionState = (typeof connectionStates)[number];

const everywhere = ["INTERNAL_ERROR", "NETWORK_ERRORS", "INVALID_CREDENTIALS"] as const;

/** Why a connection can fail, by the type of the key store. */
export const connectionErrorCodes = {
  AWS_CLOUDHSM: [
    ...everywhere,
    "CLUSTER_NOT_FOUND",
    "INSUFFICIENT_CLOUDHSM_HSMS",
    "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET",
    "SUBNET_NOT_FOUND",
    "USER_LOCKED_OUT",
    "USER_LOGGED_IN",
    "USER_NOT_FOUND",
  ],
  EXTERNAL_KEY_STORE: [
    ...everywhere,
    "XKS_PROXY_ACCESS_DENIED",
    "XKS_PROXY_INVALID_CONFIGURATION",
    "XKS_PROXY_INVALID_RESPONSE",
    "XKS_PROXY_INVALID_TLS_CONFIGURATION",
    "XKS_PROXY_NOT_REACHABLE",
    "XKS_PROXY_TIMED_OUT",
    "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION",
    "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND",
  ],
} as const satisfies Record<KeyStoreType, readonly string[]>;
export type ConnectionErrorCode = (typeof connectionErrorCodes)[KeyStoreType][number];

/** Where the keys of a CloudHSM key store are. */
export interface CloudHsmSettings {
  readonly type: "AWS_CLOUDHSM";
  readonly clusterId: string;
  readonly trustAnchorCertificate: string;
}

export const connectivities = ["PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"] as const;

/** Where the proxy of an external key store is. Its secret access key is not kept. */
export interface XksSettings {
  readonly type: "EXTERNAL_KEY_STORE";
  readonly connectivity: (typeof connectivities)[number];
  readonly uriEndpoint: string;
  readonly uriPath: string;
  readonly accessKeyId: string;
  readonly vpcEndpointServiceName?: string;
  readonly vpcEndpointServiceOwner?: string;
}

export interface Connection {
  readonly state: ConnectionState;
  /** Of a failed one. */
  readonly errorCode?: ConnectionErrorCode;
  /** When connecting or disconnecting ends, in ms since the Unix epoch. */
  readonly due?: number;
}

/** What becomes of connecting and disconnecting. */
export interface ConnectionPlan {
  /** In ms. */
  readonly takesMs: number;
  /** Absent where connecting succeeds. */
  readonly failsWith?: ConnectionErrorCode;
}

interface CustomKeyStoreInit {
  readonly region: string;
  readonly accountId: string;
  readonly name: string;
  readonly createdAt: number;
  readonly settings: CloudHsmSettings | XksSettings;
  readonly id: string;
  readonly connection?: Connection;
  readonly plan?: ConnectionPlan;
}

/** `cks-` and 17 hexadecimal digits. */
export const newKeyStoreId = () => `cks-${randomBytes(9).toString("hex").slice(1)}`;

/** A key store outside of KMS's own, in one account and Region. */
export class CustomKeyStore {
  readonly id: string;
  readonly region: string;
  readonly accountId: string;
  readonly createdAt: number;
  name: string;
  settings: CloudHsmSettings | XksSettings;
  connection: Connection;
  plan: ConnectionPlan;

  constructor(init: CustomKeyStoreInit) {
    this.id = init.id;
    this.region = init.region;
    this.accountId = init.accountId;
    this.createdAt = init.createdAt;
    this.name = init.name;
    this.settings = init.settings;
    this.connection = init.connection ?? { state: "DISCONNECTED" };
    this.plan = init.plan ?? { takesMs: 0 };
  }

  get type(): KeyStoreType {
    return this.settings.type;
  }

  get isConnected(): boolean {
    return this.connection.state === "CONNECTED";
  }

  /** Ends connecting and disconnecting when their time has come. */
  settle(now: number): this {
    const { state, due = Number.POSITIVE_INFINITY } = this.connection;
    if (due > now) return this;
    const { failsWith } = this.plan;
    if (state === "DISCONNECTING") this.connection = { state: "DISCONNECTED" };
    else if (failsWith === undefined) this.connection = { state: "CONNECTED" };
    else this.connection = { state: "FAILED", errorCode: failsWith };
    return this;
  }

  connect(now: number): void {
    this.#begin("CONNECTING", now);
  }

  disconnect(now: number): void {
    this.#begin("DISCONNECTING", now);
  }

  #begin(state: "CONNECTING" | "DISCONNECTING", now: number): void {
    this.connection = { state, due: now + this.plan.takesMs };
    this.settle(now);
  }
}
