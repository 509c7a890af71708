import { test } from "node:test";
import { EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { InMemoryKms } from "../../src/in-memory-kms/index.js";

/* A process of its own, which nothing but a call that hangs keeps alive. */

const kms = new InMemoryKms();
kms.faults.hang();
const client = new KMSClient({ ...kms.clientConfig("us-east-1"), maxAttempts: 1 });
const call = new EncryptCommand({ KeyId: kms.createKey(), Plaintext: Buffer.from("x") });
const failure = (promise: Promise<unknown>) => promise.catch((error: unknown) => (error as Error).name);

const endings = {
  // Its timer does not keep a process alive.
  abort: () => client.send(call, { abortSignal: AbortSignal.timeout(50) }),
  timeout: () => client.send(call, { requestTimeout: 50 }),
};

const [, , mode = ""] = process.argv;
if (mode === "node:test") {
  for (const [name, end] of Object.entries(endings)) {
    void test(name, async () => {
      await failure(end());
      console.log(`${name} ended`);
    });
  }
} else {
  failure(endings[mode as keyof typeof endings]()).then(console.log, console.error);
}
