import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, it } from "vitest";
import { keyPairStoreConformance } from "recording-keystore/testing";
import { EtcdKeyPairStore } from "../../../examples/own-store-and-kms/etcd-key-pair-store.js";
import { freePort } from "../../support/free-port.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** An etcd of one member, in a folder of its own. */
async function startEtcd() {
  const { folder, remove } = await temporaryFolder("etcd-");
  for (let attempt = 1; ; attempt += 1) {
    const [url, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const args = [
      ...["--data-dir", `${folder}/${attempt}`, "--log-level", "error"],
      ...["--listen-client-urls", url, "--advertise-client-urls", url],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
    ];
    const child = spawn("etcd", args, { stdio: "ignore" });
    while (child.exitCode === null) {
      const ready = await fetch(`${url}/v3/kv/range`, { method: "POST", body: '{"key":"YQ=="}' }).catch(
        () => undefined,
      );
      if (ready?.ok) return { url, child, stop: async () => (await kill(child), await remove()) };
      await sleep(50);
    }
    // Another process may have taken a port in between.
    if (attempt === 5) throw new Error(`etcd ended with ${child.exitCode}`);
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

describe("a key pair store of one's own, on Debian's etcd", () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  let stores = 0;
  keyPairStoreConformance(
    { describe, it },
    async () => {
      const options = { url: etcd.url, prefix: `/store-${(stores += 1)}`, timeout: 10_000 };
      return {
        store: new EtcdKeyPairStore(options),
        other: new EtcdKeyPairStore(options),
        outages: {
          "that hangs": {
            begin: async () => void etcd.child.kill("SIGSTOP"),
            end: async () => void etcd.child.kill("SIGCONT"),
          },
        },
      };
    },
    { outages: true, largeHistory: true, removal: "none" },
  );
});
