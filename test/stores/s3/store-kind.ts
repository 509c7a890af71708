import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { startKeyPairStoreProcess } from "../../../src/testing/index.js";
import { compileWorker } from "../../support/worker-process.js";
import type { StoreKind } from "../store-kinds.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { clientOf, patient } from "./clients.js";
import { startS3Server, type ServerMood } from "./s3-server.js";

/** The stores of the S3 of the tests, each in a bucket of its own. */
export const s3: StoreKind = {
  checked: { processes: true, outages: true, removal: "at-least-one-hears-true", callTimeout: 120_000 },
  start: async () => {
    const { folder, remove } = await temporaryFolder();
    const program = await compileWorker(new URL("./serving-worker.ts", import.meta.url), folder);
    const server = await startS3Server();
    const outage = (mood: ServerMood) => ({
      begin: async () => void (server.mood = mood),
      end: async () => void (server.mood = "up"),
    });
    const open = async () => {
      const bucket = server.service.createBucket();
      const clients = [clientOf(server.endpoint), clientOf(server.endpoint)] as const;
      const [store, other] = clients.map((client) => new S3KeyPairStore({ client, bucket, ...patient }));
      return {
        store: store as S3KeyPairStore,
        other: other as S3KeyPairStore,
        startProcess: () => startKeyPairStoreProcess(program, { args: [server.endpoint, bucket] }),
        outages: {
          "its connections are cut": outage("cut off"),
          "it is overloaded": outage("overloaded"),
        },
        close: async () => {
          for (const client of clients) client.destroy();
        },
      };
    };
    const stop = async () => {
      await server.stop();
      await remove();
    };
    return { open, stop };
  },
};
