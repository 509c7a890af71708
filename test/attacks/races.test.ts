import { describe, expect, it } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import { decodeDocument } from "../../src/key-pairs/documents.js";
import { overridden } from "../support/setup.js";
import { audio, minute, opens, organizationId, world } from "./world.js";

const recording = { recordingId: "r" };

describe("a store writer who is quicker than a change of key", () => {
  it("does not make the janitor remove a pair that was in use for a moment", async () => {
    const { store, writer, host, unmarkedOrphan } = await world();
    const other = host();
    let made: { readonly keyPairId: string; readonly body: Uint8Array } | undefined;
    let pairOnItsWay: string | undefined;
    let looks = 0;
    const watched = overridden(store, {
      createKeyPair: async (pair) => {
        const answer = await store.createKeyPair(pair);
        pairOnItsWay = pair.keyPairId;
        // The maker's swap fails, and the pair that it finds in its place is genuine.
        await writer.pointAt(await writer.copyOf(unmarkedOrphan));
        return answer;
      },
      readHead: async (...args) => {
        const head = await store.readHead(...args);
        if (pairOnItsWay === undefined || made || ++looks < 2) return head;
        // Between the maker's look at the winner and its mark, another worker is shown the maker's pair.
        await writer.pointAt(await writer.copyOf(pairOnItsWay));
        made = await other.encryptRecording(audio, recording);
        await writer.pointAt(await writer.copyOf(unmarkedOrphan));
        return head;
      },
    });
    await host({ store: watched }).rotate();
    expect(made?.keyPairId).toBe(pairOnItsWay);
    await host().removeOrphanedKeyPairs();
    expect(await opens(host(), made!.body, audio)).toBe(true);
  });

  it("does not pass the pair before off as the new one by writing the head anew", async () => {
    const { store, writer, host, keyPairIds } = await world();
    const head = (await store.readHead(organizationId))!.document;
    const watched = overridden(store, {
      createKeyPair: async (pair) => {
        const answer = await store.createKeyPair(pair);
        await writer.point(head);
        return answer;
      },
    });
    const rotated = await host({ store: watched })
      .rotate()
      .catch((error: unknown) => error);
    const now = decodeDocument("head", (await store.readHead(organizationId))!.document, "head").keyPairId;
    expect(keyPairIds).toContain(now);
    expect(rotated).toMatchObject({ code: "ERR_STORE_CONFLICT", retryable: true });
  });
});

describe("a late answer of KMS about a pair that the head named for a moment", () => {
  it("does not undo a change of key that was quicker", async () => {
    const { store, writer, host, hostMemory, unmarkedOrphan, provider, clock, calm } = await world();
    const orphan = await writer.copyOf(unmarkedOrphan);
    const kms = provider();
    let answer: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (answer = resolve));
    const slow = {
      ...of(kms),
      decrypt: async (...args: Parameters<typeof kms.decrypt>) => {
        if (orphan.attestation.ciphertext.equals(Buffer.from(args[0].ciphertext))) await gate;
        return kms.decrypt(...args);
      },
    };
    const warm = host({ lastConfirmed: await hostMemory(), kms: slow });
    await warm.encryptRecording(audio, recording);
    const active = await host().rotate();
    const head = (await store.readHead(organizationId))!.document;
    expect(active.sequence).toBe(orphan.birth.sequence);
    clock.advance(61_000);
    await writer.pointAt(orphan);
    await warm.encryptRecording(audio, recording);
    await writer.point(head);
    clock.advance(61_000);
    await warm.encryptRecording(audio, recording);
    const inUse = async () => {
      clock.advance(61_000);
      await warm.encryptRecording(audio, recording);
      return (await warm.status()).activeKeyPair?.keyPairId;
    };
    await expect.poll(inUse, { timeout: 30_000 }).toBe(active.keyPairId);
    answer();
    await calm();
    clock.advance(2 * minute);
    await warm.encryptRecording(audio, recording);
    await calm();
    expect(await warm.status()).toMatchObject({ activeKeyPair: { keyPairId: active.keyPairId } });
    expect(await warm.rotate()).toMatchObject({ sequence: active.sequence + 1 });
  });
});

const of = (kms: KmsProvider): KmsProvider => ({
  describeKey: (...args) => kms.describeKey(...args),
  encrypt: (...args) => kms.encrypt(...args),
  decrypt: (...args) => kms.decrypt(...args),
  generateDataKeyPair: (...args) => kms.generateDataKeyPair(...args),
});
