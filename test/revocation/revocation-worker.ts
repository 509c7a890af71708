/**
 * A process that plays recordings: `worker.cjs URL FOLDER driven|system TTL`. Hears one command a line, and answers each with
 * one: `driven` by a clock that moves when it is told, `system` by the system's.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { KMSClient } from "@aws-sdk/client-kms";
import { AwsKmsProvider } from "../../src/aws.js";
import { RecordingKeyStore } from "../../src/index.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { TestClock } from "../../src/in-memory-kms/test-clock.js";
import { Player } from "./player.js";
import { Race } from "./race.js";
import { accountId, homeRegion, patient, playerAccessKeyId, type Command } from "./shared.js";

const [url = "", folder = "", mode = "", ttl = ""] = process.argv.slice(2);
const clock = mode === "driven" ? new TestClock() : undefined;
const credentials = { accessKeyId: playerAccessKeyId, secretAccessKey: "any" };
const client = new KMSClient({ region: homeRegion, endpoint: url, credentials, maxAttempts: 10 });
const kms = new AwsKmsProvider({ client, ...patient.provider });
const players = new Map<string, Player>();
const races = new Map<string, Race>();

function playerOf(organizationId: string): Player {
  let player = players.get(organizationId);
  if (!player) {
    const keyStore = new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms,
      store: new FileKeyPairStore({ directory: join(folder, "pairs") }),
      trustedKmsKeys: [accountId],
      privateKeyTtl: Number(ttl),
      background: false,
      ...patient.keyStore,
      ...(clock && { clock }),
    });
    const encrypted = readFileSync(join(folder, `${organizationId}.rec`));
    player = new Player(keyStore, { encrypted, plaintext: readFileSync(join(folder, "audio")) });
    players.set(organizationId, player);
  }
  return player;
}

async function done(command: Command): Promise<unknown> {
  switch (command.do) {
    case "advance":
      return clock?.advance(command.ms);
    case "open":
      return playerOf(command.organizationId).open();
    case "play":
      return playerOf(command.organizationId).play();
    case "forget":
      return playerOf(command.organizationId).keyStore.forgetPrivateKeys();
    case "race": {
      const race = new Race(playerOf(command.organizationId), Number(ttl));
      races.set(command.organizationId, race);
      return race.start();
    }
    case "withdrawn":
      return races.get(command.organizationId)?.withdrawn();
  }
}

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const { id, ...command } = JSON.parse(line) as Command & { id: number };
  void done(command).then(
    (answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`),
    (error: unknown) => process.stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`),
  );
});
input.on("close", () => process.exit());
