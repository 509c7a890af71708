/** The one KMS of all processes, served on loopback. Says where, and ends with its parent. */
import { InMemoryKms } from "../../src/in-memory-kms/in-memory-kms.js";
import { playerAccessKeyId, playerArn } from "./shared.js";

async function main(): Promise<void> {
  const kms = new InMemoryKms({
    principals: [{ accessKeyId: playerAccessKeyId, arn: playerArn, identityPolicy: "administrator" }],
  });
  const { url } = await kms.listen();
  process.stdout.write(`${url}\n`);
  process.stdin.on("close", () => process.exit()).resume();
}

void main();
