/* Runs beside the other file, on the same KMS: each fault names this file's key, and hits nobody else. */
import { DisableKeyCommand, EnableKeyCommand } from "@aws-sdk/client-kms";
import { beforeAll, describe, expect, it } from "vitest";
import { client, control, createKey } from "./kms.js";
import { TokenVault } from "./token-vault.js";

let keyId: string;
let vault: TokenVault;
beforeAll(async () => {
  keyId = await createKey();
  vault = new TokenVault(client, keyId);
});

describe("the vault while KMS has troubles", () => {
  it("loses no token to an outage", async () => {
    const sealed = await vault.seal("token", "customer-1");
    const outage = await control.outage({ keyId });
    await expect(vault.open(sealed, "customer-1")).rejects.toThrow();
    await outage.remove();
    expect(await vault.open(sealed, "customer-1")).toBe("token");
  });

  it("passes on that it is throttled", async () => {
    await control.inject("throttling", { keyId, operation: "Encrypt", times: 1 });
    await expect(vault.seal("token", "customer-1")).rejects.toMatchObject({ name: "ThrottlingException" });
    await vault.seal("token", "customer-1");
  });

  it("opens nothing under a disabled key", async () => {
    const sealed = await vault.seal("token", "customer-1");
    await client.send(new DisableKeyCommand({ KeyId: keyId }));
    await expect(vault.open(sealed, "customer-1")).rejects.toMatchObject({ name: "DisabledException" });
    await client.send(new EnableKeyCommand({ KeyId: keyId }));
    expect(await vault.open(sealed, "customer-1")).toBe("token");
  });
});
