import { expect } from "vitest";
import { cloudHsm, createStore, describedStore, xks, type RowIn } from "./key-store-requests.js";
import { type Input, type Row } from "./row.js";

type Refusal = NonNullable<Row["error"]>;

/** Of a key store that is made, and connected if it says so. */
const ofStore =
  (
    operation: string,
    situation: string,
    { kind = xks, connected = false, ...rest }: Partial<Row> & { kind?: Input; connected?: boolean; also?: Input },
  ): RowIn =>
  (region) => ({
    ...{ operation, situation, region },
    source: "documented",
    input: async (_world, send) => {
      const CustomKeyStoreId = await createStore(send, region, kind);
      if (connected) await send("ConnectCustomKeyStore", { CustomKeyStoreId }, "alice", region);
      return { CustomKeyStoreId, ...rest.also };
    },
    ...rest,
  });

/** That the key store shows such members afterwards. */
const shows =
  (members: Input): NonNullable<Row["output"]> =>
  async (output, world, { CustomKeyStoreId }, send) => {
    expect(output).toEqual({});
    const [region = ""] =
      world.kms
        .snapshot()
        .keyStores?.filter(({ id }) => id === CustomKeyStoreId)
        .map((s) => s.region) ?? [];
    expect(await describedStore(send, region, CustomKeyStoreId)).toMatchObject(members);
  };

const wrongState = (states: string): Refusal => [
  "CustomKeyStoreInvalidStateException",
  `The connection state of the custom key store {CustomKeyStoreId} is ${states}.`,
];
const unknown = { CustomKeyStoreId: "cks-0123456789abcdef0" };

const rows: readonly RowIn[] = [
  ofStore("DescribeCustomKeyStores", "of one by its id", {
    output: ({ CustomKeyStores, Truncated }, _world, input) => {
      expect(CustomKeyStores).toMatchObject([input]);
      expect(Truncated).toBe(false);
    },
  }),
  (region) => ({
    operation: "DescribeCustomKeyStores",
    situation: "page by page",
    source: "documented",
    region,
    input: async (_world, send) => {
      await createStore(send, region, xks);
      await createStore(send, region, cloudHsm);
      return { Limit: 1 };
    },
    output: async ({ CustomKeyStores, NextMarker, Truncated }, _world, _input, send) => {
      expect(Truncated).toBe(true);
      const rest = await send("DescribeCustomKeyStores", { Marker: NextMarker }, "alice", region);
      expect(rest).toMatchObject({ Truncated: false, CustomKeyStores: [{}] });
      expect(rest["CustomKeyStores"]).not.toEqual(CustomKeyStores);
    },
  }),
  ofStore("DescribeCustomKeyStores", "by id and name", {
    source: "ours",
    also: { CustomKeyStoreName: xks["CustomKeyStoreName"] },
    error: ["ValidationException", "You cannot specify CustomKeyStoreId and CustomKeyStoreName in the same request."],
  }),
  ...[
    "DescribeCustomKeyStores",
    "UpdateCustomKeyStore",
    "DeleteCustomKeyStore",
    "ConnectCustomKeyStore",
    "DisconnectCustomKeyStore",
  ].flatMap((operation): RowIn[] => [
    (region) => ({
      ...{ operation, region },
      situation: "of a key store that there is not",
      source: "documented",
      input: () => unknown,
      error: ["CustomKeyStoreNotFoundException", "The custom key store {CustomKeyStoreId} does not exist."],
    }),
    (region) => ({
      ...{ operation, region },
      situation: "without a right in IAM",
      source: "documented",
      as: "bob",
      input: () => unknown,
      error: [
        "AccessDeniedException",
        /is not authorized to perform: kms:\w+ on resource: \* because no identity-based/,
      ],
    }),
  ]),
  ofStore("DescribeCustomKeyStores", "by another account", {
    as: "stranger",
    error: ["CustomKeyStoreNotFoundException", "The custom key store {CustomKeyStoreId} does not exist."],
  }),

  ofStore("ConnectCustomKeyStore", "of a disconnected one", { output: shows({ ConnectionState: "CONNECTED" }) }),
  ofStore("ConnectCustomKeyStore", "of a connected one", {
    connected: true,
    output: shows({ ConnectionState: "CONNECTED" }),
  }),
  (region) => ({
    operation: "ConnectCustomKeyStore",
    situation: "while connecting takes its time, and then fails",
    source: "documented",
    region,
    input: (w) => {
      const CustomKeyStoreId = w.kms.keyStores.create({ ...w.inAccount, region, connected: false });
      w.kms.keyStores.setConnection(CustomKeyStoreId, { takesMs: 60_000, failsWith: "XKS_PROXY_NOT_REACHABLE" });
      return { CustomKeyStoreId };
    },
    output: async (_output, { clock }, { CustomKeyStoreId }, send) => {
      const shown = () => describedStore(send, region, CustomKeyStoreId);
      expect((await shown())["ConnectionState"]).toBe("CONNECTING");
      expect(await shown()).not.toHaveProperty("ConnectionErrorCode");
      clock.advance(60_000);
      const failed = { ConnectionState: "FAILED", ConnectionErrorCode: "XKS_PROXY_NOT_REACHABLE" };
      expect(await shown()).toMatchObject(failed);
      await send("DisconnectCustomKeyStore", { CustomKeyStoreId }, "alice", region);
      expect((await shown())["ConnectionState"]).toBe("DISCONNECTING");
      clock.advance(60_000);
      expect((await shown())["ConnectionState"]).toBe("DISCONNECTED");
    },
  }),
  (region) => ({
    operation: "ConnectCustomKeyStore",
    situation: "of one that failed, which has to be disconnected first",
    source: "documented",
    region,
    input: (w) => {
      const CustomKeyStoreId = w.kms.keyStores.create({
        ...w.inAccount,
        region,
        type: "AWS_CLOUDHSM",
        connected: false,
      });
      w.kms.keyStores.setConnection(CustomKeyStoreId, { failsWith: "USER_LOCKED_OUT" });
      w.kms.keyStores.connect(CustomKeyStoreId);
      return { CustomKeyStoreId };
    },
    error: wrongState("FAILED, and must be CONNECTED or CONNECTING or DISCONNECTED"),
  }),
  ofStore("DisconnectCustomKeyStore", "of a connected one", {
    connected: true,
    output: shows({ ConnectionState: "DISCONNECTED" }),
  }),
  ofStore("DisconnectCustomKeyStore", "of a disconnected one", {
    error: wrongState("DISCONNECTED, and must be CONNECTED or CONNECTING or FAILED"),
  }),

  ofStore("UpdateCustomKeyStore", "of a connected one's name and proxy path", {
    connected: true,
    also: { NewCustomKeyStoreName: "new", XksProxyUriPath: "/new/kms/xks/v1" },
    output: shows({
      CustomKeyStoreName: "new",
      XksProxyConfiguration: { UriPath: "/new/kms/xks/v1", UriEndpoint: xks["XksProxyUriEndpoint"] },
    }),
  }),
  ofStore("UpdateCustomKeyStore", "of a connected one's proxy endpoint", {
    connected: true,
    also: { XksProxyUriEndpoint: "https://new.example.com" },
    error: wrongState("CONNECTED, and must be DISCONNECTED"),
  }),
  ofStore("UpdateCustomKeyStore", "of a disconnected one's proxy endpoint", {
    also: { XksProxyUriEndpoint: "https://new.example.com" },
    output: shows({ XksProxyConfiguration: { UriEndpoint: "https://new.example.com", UriPath: "/kms/xks/v1" } }),
  }),
  ofStore("UpdateCustomKeyStore", "of a connected one's password", {
    kind: cloudHsm,
    connected: true,
    also: { KeyStorePassword: "newPswd" },
    error: wrongState("CONNECTED, and must be DISCONNECTED"),
  }),
  ofStore("UpdateCustomKeyStore", "of a disconnected one's cluster", {
    kind: cloudHsm,
    also: { CloudHsmClusterId: "cluster-bbbbbbbbbbb" },
    output: shows({ CloudHsmClusterId: "cluster-bbbbbbbbbbb" }),
  }),

  ofStore("DeleteCustomKeyStore", "of a disconnected one", {
    output: (output, { kms }, { CustomKeyStoreId }) => {
      expect(output).toEqual({});
      expect(kms.snapshot().keyStores?.map(({ id }) => id)).not.toContain(CustomKeyStoreId);
    },
  }),
  ofStore("DeleteCustomKeyStore", "of a connected one", {
    connected: true,
    error: wrongState("CONNECTED, and must be DISCONNECTED"),
  }),
  (region) => ({
    operation: "DeleteCustomKeyStore",
    situation: "with keys in it, also such as are pending deletion",
    source: "documented",
    region,
    input: (w) => {
      const CustomKeyStoreId = w.kms.keyStores.create({ ...w.inAccount, region });
      w.kms.scheduleKeyDeletion(w.kms.createKey({ ...w.inAccount, region, customKeyStoreId: CustomKeyStoreId }));
      w.kms.keyStores.disconnect(CustomKeyStoreId);
      return { CustomKeyStoreId };
    },
    error: ["CustomKeyStoreHasCMKsException", "The custom key store {CustomKeyStoreId} contains KMS keys."],
  }),
];

export const keyStoreConnectionRows: readonly Row[] = rows.map((make, index) => make(`eu-west-${200 + index}`));
