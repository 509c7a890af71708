import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../src/aws.js";
import { RecordingKeyStore } from "../../src/index.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { atLength } from "../support/effort.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";
import { segmentSize, ways, type Outcomes } from "./player.js";
import type { RaceReport } from "./race.js";
import { accountId, homeRegion, patient, type Command } from "./shared.js";
import { Administrator } from "./withdrawals.js";

const processes = atLength(6, 2);
const printsFigures = atLength(true, false);
/** Longest time of a test or its setup on the busiest machine, in ms. */
const timeout = 600_000;
const kinds = ["DisableKey", "RevokeGrant", "PutKeyPolicy"] as const;
type Kind = (typeof kinds)[number];
const minute = 60_000;

/** A process that is told what to do, and answers. */
class Worker {
  readonly #process: WorkerProcess;
  #told = 0;

  constructor(program: string, args: readonly string[]) {
    this.#process = new WorkerProcess(program, args);
  }

  async ask<T>(command: Command): Promise<T> {
    const id = this.#told;
    this.#told += 1;
    this.#process.tell(JSON.stringify({ id, ...command }));
    for (let index = 0; ; index += 1) {
      const said = JSON.parse(await this.#process.line(index)) as { id: number; answer: T; error?: string };
      if (said.error !== undefined) throw new Error(said.error);
      if (said.id === id) return said.answer;
    }
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}

let folder: string;
let remove: () => Promise<void>;
let program: string;
let server: WorkerProcess;
let url: string;
let administrator: Administrator;
beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder());
  const compiled = async (name: string) => {
    await mkdir(join(folder, name));
    return compileWorker(new URL(`./${name}.ts`, import.meta.url), join(folder, name));
  };
  const [kmsServer, player] = await Promise.all([compiled("kms-server-worker"), compiled("revocation-worker")]);
  program = player;
  await writeFile(join(folder, "audio"), randomBytes(100 * segmentSize));
  server = new WorkerProcess(kmsServer, []);
  url = await server.line(0);
  administrator = new Administrator(url);
}, timeout);
afterAll(async () => {
  administrator.close();
  await server.kill();
  await remove();
});

let organizations = 0;

/** An organization with a recording that the players may play until that is withdrawn. */
async function organization(kind: Kind) {
  organizations += 1;
  const organizationId = `org-${organizations}`;
  const { keyId, kmsKeyAliasArn } = await administrator.createKey(organizationId);
  const owner = new RecordingKeyStore({
    organizationId,
    homeRegion,
    kms: new AwsKmsProvider({ client: administrator.client, ...patient.provider }),
    store: new FileKeyPairStore({ directory: join(folder, "pairs") }),
    trustedKmsKeys: [accountId],
    background: false,
    ...patient.keyStore,
  });
  await owner.configure({ kmsKeyAliasArn });
  await owner.encryptFile(join(folder, "audio"), join(folder, `${organizationId}.rec`), {
    recordingId: "r",
    segmentSize,
  });
  await owner.close();
  const { give, withdraw } = administrator.withdrawals[kind];
  await give(keyId, organizationId);
  return {
    organizationId,
    give: () => give(keyId, organizationId),
    withdraw: () => withdraw(keyId, organizationId),
  };
}

const all = (outcome: string): Outcomes => ({ bytes: outcome, reader: outcome, stream: outcome });

describe("processes that play recordings, by clocks that the test moves", () => {
  let workers: Worker[];
  beforeAll(() => {
    workers = Array.from({ length: processes }, () => new Worker(program, [url, folder, "driven", String(minute)]));
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.kill())));

  const advance = (ms: number) => Promise.all(workers.map((worker) => worker.ask({ do: "advance", ms })));
  const play = (organizationId: string) =>
    Promise.all(workers.map((worker) => worker.ask<Outcomes>({ do: "play", organizationId })));

  it.each(kinds)(
    "play to the last millisecond of privateKeyTtl after %s, no longer, and again when it is undone",
    { timeout },
    async (kind) => {
      const { organizationId, give, withdraw } = await organization(kind);
      const gap = Math.floor(minute / processes);
      for (const [index, worker] of workers.entries()) {
        if (index > 0) await advance(gap);
        await worker.ask({ do: "open", organizationId });
      }
      await withdraw();
      // The time that each has left of the key that it holds.
      const left = workers.map((_, index) => minute - (processes - 1 - index) * gap);
      const moments = [...new Set([0, 1, ...left.flatMap((time) => [time - 1, time])])].sort((a, b) => a - b);
      const last = left.map(() => -1);
      let now = 0;
      for (const moment of moments) {
        await advance(moment - now);
        now = moment;
        const expected = left.map((time) => all(now < time ? "ok" : "ERR_KMS_REFUSED"));
        const found = await play(organizationId);
        expect({ kind, now, found }).toEqual({ kind, now, found: expected });
        for (const [index, { bytes }] of found.entries()) if (bytes === "ok") last[index] = now;
      }
      if (printsFigures) console.log(`${kind}: last played ${last.map((ms) => ms / 1_000).join(", ")} s after it`);
      await give();
      const again = { bytes: "ok", reader: "ok", stream: "ERR_KMS_REFUSED" };
      expect(await play(organizationId)).toEqual(workers.map(() => again));
    },
  );

  it.each(kinds)("end at once with forgetPrivateKeys() after %s, each for itself", { timeout }, async (kind) => {
    const { organizationId, withdraw } = await organization(kind);
    for (const worker of workers) await worker.ask({ do: "open", organizationId });
    await withdraw();
    expect(await play(organizationId)).toEqual(workers.map(() => all("ok")));
    const [keeps, ...forgetting] = workers;
    for (const worker of forgetting) await worker.ask({ do: "forget", organizationId });
    const forgotten = { bytes: "ERR_KMS_REFUSED", reader: "ERR_KEYS_FORGOTTEN", stream: "ERR_KEYS_FORGOTTEN" };
    expect(await play(organizationId)).toEqual([all("ok"), ...forgetting.map(() => forgotten)]);
    await keeps?.ask({ do: "forget", organizationId });
    expect((await play(organizationId))[0]).toEqual(forgotten);
  });
});

describe("processes that play recordings all the time, by the system's clock", () => {
  const ttl = atLength(minute, 1_000);
  let workers: Worker[];
  beforeAll(() => {
    workers = Array.from({ length: processes }, () => new Worker(program, [url, folder, "system", String(ttl)]));
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.kill())));

  const figuresOf = ({ kind, reports }: { kind: Kind; reports: readonly RaceReport[] }) => ({
    withdrawal: kind,
    processes: reports.length,
    "parts played before": reports.reduce((sum, { played }) => sum + played[0], 0),
    "and after": reports.reduce((sum, { played }) => sum + played[1], 0),
    ...Object.fromEntries(
      ways.map((way) => [`last ${way} (s)`, (Math.max(...reports.map(({ last }) => last[way])) / 1_000).toFixed(1)]),
    ),
    "at most (s)": ttl / 1_000,
  });

  it("play nothing with a private key unwrapped longer ago than privateKeyTtl", { timeout }, async () => {
    const reports = await Promise.all(
      kinds.map(async (kind) => {
        const { organizationId, withdraw } = await organization(kind);
        await Promise.all(workers.map((worker) => worker.ask({ do: "race", organizationId })));
        await withdraw();
        const told = workers.map((worker) => worker.ask<RaceReport>({ do: "withdrawn", organizationId }));
        return { kind, reports: await Promise.all(told) };
      }),
    );
    if (printsFigures) console.table(reports.map(figuresOf));
    expect(reports.flatMap(({ reports: each }) => each.flatMap(({ faults }) => faults))).toEqual([]);
    for (const { reports: each } of reports) {
      expect(each).toHaveLength(processes);
      for (const { played } of each) expect(played[0]).toBeGreaterThan(0);
    }
  });
});
