import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { InMemoryKms, kmsProviderConformance } from "recording-keystore/testing";
import { SidecarKmsProvider } from "../../../examples/own-store-and-kms/sidecar-kms-provider.js";

/** As aws-sigv4-proxy: names Region and caller in the request's credential scope, by the host that the request is for. */
async function startSidecar(target: string) {
  const server = createServer((incoming, outgoing) => {
    const region = incoming.headers.host?.split(".")[1] ?? "";
    const headers = {
      ...incoming.headers,
      authorization: `AWS4-HMAC-SHA256 Credential=ADMINISTRATOR/20260101/${region}/kms/aws4_request, SignedHeaders=host, Signature=0`,
    };
    const onward = request(target, { method: "POST", headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function start(timeout: number) {
  const kms = new InMemoryKms();
  const keyArn = kms.createKey({ alias: "alias/recordings" });
  const endpoint = await kms.listen();
  const sidecar = await startSidecar(endpoint.url);
  const close = async () => {
    sidecar.server.closeAllConnections();
    sidecar.server.close();
    await endpoint.close();
  };
  return { kms, keyArn, provider: new SidecarKmsProvider({ url: sidecar.url, timeout }), close };
}

describe("a KMS provider of one's own, without the SDK", () => {
  kmsProviderConformance({ describe, it }, async () => {
    // Patient: making an RSA pair takes a busy machine its time.
    const { kms, keyArn, provider, close } = await start(14_000);
    return {
      provider,
      keyArn,
      keyAliasArn: keyArn.replace(/:key\/.*$/, ":alias/recordings"),
      otherKeyArn: kms.createKey(),
      outage: {
        begin: () => void kms.faults.inject("connection-reset"),
        end: () => kms.faults.heal(),
        endsWithin: 14_000,
      },
      close,
    };
  });

  let stop: (() => Promise<void>) | undefined;
  afterEach(() => stop?.());
  it("gives up by itself where KMS hangs, and takes it for no verdict", async () => {
    const { kms, keyArn, provider, close } = await start(100);
    stop = close;
    kms.faults.hang();
    await expect(provider.describeKey({ keyId: keyArn })).rejects.toMatchObject({
      code: "ERR_KMS_UNAVAILABLE",
      kind: "timeout",
    });
  });
});
