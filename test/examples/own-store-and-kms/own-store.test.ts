import { afterEach, describe, expect, it } from "vitest";
import { keyPairStoreConformance } from "recording-keystore/testing";
import { EtcdKeyPairStore } from "../../../examples/own-store-and-kms/etcd-key-pair-store.js";
import { startEtcdDouble } from "./etcd-double.js";

describe("a key pair store of one's own, over a double of etcd", () => {
  keyPairStoreConformance(
    { describe, it },
    async () => {
      const etcd = await startEtcdDouble();
      // Patient: a busy machine is no outage.
      const store = () => new EtcdKeyPairStore({ url: etcd.url, timeout: 14_000 });
      return {
        store: store(),
        other: store(),
        outages: {
          "that resets connections": {
            begin: async () => etcd.goAway("resets"),
            end: async () => etcd.goAway(undefined),
          },
        },
        close: () => etcd.stop(),
      };
    },
    { outages: true, removal: "none" },
  );

  let stop: (() => Promise<void>) | undefined;
  afterEach(() => stop?.());
  it("gives up by itself where etcd hangs", async () => {
    const etcd = await startEtcdDouble();
    stop = etcd.stop;
    etcd.goAway("hangs");
    const store = new EtcdKeyPairStore({ url: etcd.url, timeout: 100 });
    await expect(store.readHead("org-1")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind: "timeout" });
  });
});
