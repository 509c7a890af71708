import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { S3KeyPairStore } from "../../../src/stores/s3.js";
import type { KeyPairStoreUnderTest } from "../../../src/testing/index.js";
import { patient, s3Client } from "../../support/aws-clients.js";
import { CephGateway } from "../../support/ceph-gateway.js";
import type { StoreKind } from "../store-kinds.js";
import { startServingProcess } from "../serving-process.js";
import { startS3Server, type ServerMood } from "./s3-server.js";

/** A server with the API of S3. */
export interface S3Place {
  readonly endpoint: string;
  readonly createBucket: () => Promise<string>;
  readonly outages: NonNullable<KeyPairStoreUnderTest["outages"]>;
  readonly stop: () => Promise<void>;
}

/** The S3 of the tests, in this process. */
export async function startS3Double(): Promise<S3Place> {
  const server = await startS3Server();
  const outage = (mood: ServerMood) => ({
    begin: async () => void (server.mood = mood),
    end: async () => void (server.mood = "up"),
  });
  return {
    endpoint: server.endpoint,
    createBucket: async () => server.service.createBucket(),
    outages: { "its connections are cut": outage("cut off"), "it is overloaded": outage("overloaded") },
    stop: () => server.stop(),
  };
}

/** A real Ceph. */
export interface CephPlace extends S3Place {
  readonly gateway: CephGateway;
}

export async function startCeph(): Promise<CephPlace> {
  const ceph = await CephGateway.start();
  const client = s3Client(ceph.endpoint, "us-east-1"); // of any other Region the SDK names one that Ceph does not know
  let buckets = 0;
  return {
    gateway: ceph,
    endpoint: ceph.endpoint,
    outages: { "its gateway is killed": { begin: () => ceph.stopGateway(), end: () => ceph.startGateway() } },
    createBucket: async () => {
      buckets += 1;
      const Bucket = `recording-keys-${buckets}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      return Bucket;
    },
    stop: async () => {
      client.destroy();
      await ceph.stop();
    },
  };
}

/** The stores of a kind of server, each in a bucket of its own. */
export function s3Kind(startServer: () => Promise<S3Place>): StoreKind {
  return {
    checked: { processes: true, outages: true, removal: "at-least-one-hears-true", callTimeout: 120_000 },
    start: async () => {
      const server = await startServer();
      const open = async () => {
        const bucket = await server.createBucket();
        const clients = [s3Client(server.endpoint), s3Client(server.endpoint)] as const;
        const [store, other] = clients.map((client) => new S3KeyPairStore({ client, bucket, ...patient }));
        return {
          store: store as S3KeyPairStore,
          other: other as S3KeyPairStore,
          startProcess: () => startServingProcess({ kind: "s3", endpoint: server.endpoint, bucket }),
          outages: server.outages,
          close: async () => {
            for (const client of clients) client.destroy();
          },
        };
      };
      return { open, stop: server.stop };
    },
  };
}
