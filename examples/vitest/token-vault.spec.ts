import { beforeAll, describe, expect, it } from "vitest";
import { client, control, createKey } from "./kms.js";
import { TokenVault } from "./token-vault.js";

let keyArn: string;
let vault: TokenVault;
beforeAll(async () => {
  keyArn = await createKey();
  vault = new TokenVault(client, keyArn);
});

describe("the vault", () => {
  it("opens a token for its customer alone", async () => {
    const sealed = await vault.seal("token", "customer-1");
    expect(await vault.open(sealed, "customer-1")).toBe("token");
    await expect(vault.open(sealed, "customer-2")).rejects.toMatchObject({ name: "InvalidCiphertextException" });
  });

  it("tells KMS whose token it is, so that policies and logs can", async () => {
    await vault.seal("token", "customer-3");
    const calls = await control.calls({ operation: "Encrypt", keyArn });
    expect(calls.at(-1)).toMatchObject({ encryptionContext: { customer: "customer-3" }, outcome: "ok" });
  });
});
