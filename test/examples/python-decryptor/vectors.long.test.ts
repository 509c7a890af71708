import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { program, start } from "./python.js";

const files = ["recordings", "format"].map((name) =>
  fileURLToPath(new URL(`../../vectors/${name}.json`, import.meta.url)),
);
const vectors = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown[] | undefined>);
const count = (kind: string) => vectors.reduce((sum, { [kind]: list = [] }) => sum + list.length, 0);

describe("the decryptor in Python, written from docs/FORMAT.md alone", () => {
  it("takes and refuses every test vector as it should, and leaves nothing of what it refuses", async () => {
    const { code, stdout, stderr } = await start(program, ["check_vectors.py", ...files]).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      held: {
        recordings: count("recordings"),
        "data keys": count("recordings"),
        contexts: count("recordings"),
        metadata: (vectors.flatMap(({ recordings }) => recordings) as object[]).filter((one) => "metadata" in one)
          .length,
        "refused recordings": count("refused"),
        // By the pair's own wrapping and by the further one.
        "key pairs": 2 * count("keyPairs"),
        attestations: count("keyPairs"),
        "refused birth records": count("refusedBirthRecords"),
        "refused headers": count("refusedHeaders"),
      },
      wrong: [],
    });
  });
});
