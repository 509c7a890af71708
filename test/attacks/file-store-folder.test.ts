import { createHash } from "node:crypto";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { FileKeyPairStore, FileLastConfirmedStore } from "../../src/stores/file.js";
import { frame } from "../../src/stores/frame.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { documentOf, StoreWriter } from "./store-writer.js";
import { audio, copied, historyOf, minute, opens, organizationId, world, type HostOptions } from "./world.js";

const recording = { recordingId: "r" };

/** A store of files whose whole folder belongs to the attacker; the host's own state directory does not. */
async function takenFolder(options: HostOptions = {}) {
  const parts = await world();
  const { folder, remove } = await temporaryFolder("taken-");
  onTestFinished(remove);
  const directory = join(folder, "store");
  const store = new FileKeyPairStore({ directory });
  await copied(parts.store, store, organizationId);
  const { provider, clock } = parts;
  /** A process on the host, with the store's defaults: what it remembers lies where the store says. */
  const process = () => {
    const own = new FileKeyPairStore({ directory });
    return parts.host({ kms: provider(), clock, store: own, lastConfirmed: own.hostLastConfirmed(), ...options });
  };
  const warm = process();
  await warm.encryptRecording(audio, recording);
  const writer = new StoreWriter({ store, organizationId, kms: parts.writer.kms, loot: parts });
  const organization = join(directory, "organizations", organizationId);
  return { ...parts, store, directory, organization, process, warm, writer };
}

/** Every file under a folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

describe("a store of files whose whole folder the attacker can write to", () => {
  it("holds nothing of what the host remembers", async () => {
    const { directory, lastConfirmed } = await takenFolder();
    const { keyPair } = JSON.parse(Buffer.from(lastConfirmed).toString()) as { keyPair: string };
    for (const file of await filesIn(directory)) {
      expect((await readFile(file)).includes(keyPair)).toBe(false);
      expect(file).not.toMatch(/confirmed/);
    }
  });

  it.each([
    ["in a warm process", true, {}],
    ["in a warm process that requires a confirmed key", true, { requireConfirmedKey: true }],
    ["in a restarted one", false, {}],
    ["in a restarted one that requires a confirmed key", false, { requireConfirmedKey: true }],
  ])("gets no recording %s", async (_, stays, options) => {
    const { process, warm, clock, writer, calm, host } = await takenFolder(options);
    await writer.plant(await writer.forge());
    clock.advance(2 * minute);
    const worker = stays ? warm : process();
    for (let use = 0; use < 3; use += 1) {
      const made = await worker.encryptRecording(audio, recording);
      await calm();
      expect({ confirmation: made.confirmation, forAttacker: writer.canOpen(made.body) }).toEqual({
        confirmation: "confirmed",
        forAttacker: false,
      });
      expect(await opens(host(), made.body, audio)).toBe(true);
      clock.advance(16 * minute);
    }
  });

  it("is not believed by a restarted process where it has put a host's memory there", async () => {
    const { directory, process, writer, clock } = await takenFolder();
    const forged = await writer.forge();
    await writer.plant(forged);
    const memory = { organizationId, keyPair: documentOf(forged), confirmedAt: clock.now() };
    const host = createHash("sha256").update(hostname()).digest("hex");
    for (const folder of [host.slice(0, 16), host.slice(0, 32), host, "."]) {
      const planted = new FileLastConfirmedStore({ directory: join(directory, "hosts", folder) });
      await planted.save(organizationId, encodeDocument("lastConfirmed", memory));
    }
    const made = await process().encryptRecording(audio, recording);
    expect({ confirmation: made.confirmation, stolen: writer.canOpen(made.body) }).toEqual({
      confirmation: "confirmed",
      stolen: false,
    });
  });

  it.each(["acceptRestoredStore", "replaceUntrustedHead"] as const)("is not believed by %s()", async (way) => {
    const { process, writer, keyPairIds } = await takenFolder();
    await writer.plant(await writer.forge());
    const operator = process();
    await operator[way]().catch(() => undefined);
    expect(await operator.status()).toMatchObject({ activeKeyPair: { keyPairId: keyPairIds.at(-1) } });
  });

  it("does not keep the operator from changing the key: the last number that a head can have", async () => {
    const { organization, process, keyPairIds, store } = await takenFolder();
    const { document } = (await store.readHead(organizationId))!;
    const number = 9_999_999_999;
    const head = frame({ kind: "head", organizationId, number }, document);
    await writeFile(join(organization, "heads", `${number}.record`), head, { mode: 0o600 });
    const operator = process();
    await operator.rotate();
    await operator.rotate();
    expect(await historyOf(process())).toEqual(expect.arrayContaining([...keyPairIds]));
  });

  it("does not lose a warm process its key with all files spoilt", async () => {
    // Long enough for a busy machine to read files; KMS is away at once.
    const { directory, warm, clock, calm, kms } = await takenFolder({ confirmTimeout: 60_000 });
    for (const file of await filesIn(directory)) await appendFile(file, "x");
    clock.advance(2 * minute);
    kms.faults.outage();
    for (let use = 0; use < 3; use += 1) {
      const made = await warm.encryptRecording(audio, recording);
      await calm();
      expect(made).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: true });
      clock.advance(16 * minute);
    }
  });
});
