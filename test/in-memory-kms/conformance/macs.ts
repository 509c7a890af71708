import { expect } from "vitest";
import { bytes, keyOf, oneProblem, type Row } from "./row.js";

const Message = Buffer.from("a message");
const algorithms = ["224", "256", "384", "512"] as const;

const algorithmRows = algorithms.flatMap((bits): Row[] => {
  const MacAlgorithm = `HMAC_SHA_${bits}`;
  const request = (world: Parameters<Row["input"]>[0]) => ({
    KeyId: keyOf(world, `HMAC_${bits}`, "GENERATE_VERIFY_MAC"),
    Message,
    MacAlgorithm,
  });
  return [
    {
      operation: "GenerateMac",
      situation: `by ${MacAlgorithm}`,
      source: "recorded",
      input: request,
      output: (output, _world, { KeyId }) => {
        expect(output).toMatchObject({ KeyId, MacAlgorithm });
        expect(bytes(output["Mac"])).toHaveLength(Number(bits) / 8);
      },
    },
    {
      operation: "VerifyMac",
      situation: `by ${MacAlgorithm}`,
      source: "recorded",
      input: async (w, send) => {
        const input = request(w);
        return { ...input, ...(await send("GenerateMac", input)) };
      },
      output: (output, _world, { KeyId }) => expect(output).toEqual({ KeyId, MacAlgorithm, MacValid: true }),
    },
    {
      operation: "VerifyMac",
      situation: `of another message's code by ${MacAlgorithm}`,
      source: "recorded",
      input: async (w, send) => {
        const input = request(w);
        return { ...input, ...(await send("GenerateMac", input)), Message: Buffer.from("other") };
      },
      error: ["KMSInvalidMacException"],
    },
  ];
});

const refused = (operation: string) => (situation: string, input: Row["input"], error: NonNullable<Row["error"]>) =>
  ({ operation, situation, source: "recorded", input, error }) satisfies Row;

export const macRows: readonly Row[] = [
  ...algorithmRows,
  ...["GenerateMac", "VerifyMac"].flatMap((operation) => {
    const row = refused(operation);
    const rest = operation === "VerifyMac" ? { Message, Mac: Message } : { Message };
    return [
      row(
        "by the algorithm of another key spec",
        (w) => ({
          KeyId: keyOf(w, "HMAC_224", "GENERATE_VERIFY_MAC"),
          MacAlgorithm: "HMAC_SHA_256",
          ...rest,
        }),
        ["InvalidKeyUsageException", "Algorithm {MacAlgorithm} is incompatible with key spec HMAC_224."],
      ),
      row(
        "by an algorithm that there is not",
        (w) => ({ KeyId: keyOf(w, "HMAC_256", "GENERATE_VERIFY_MAC"), MacAlgorithm: "INVALID", ...rest }),
        [
          "ValidationException",
          oneProblem(
            "Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]",
          ),
        ],
      ),
      row("by a key id that is none", () => ({ KeyId: "key_id", MacAlgorithm: "HMAC_SHA_256", ...rest }), [
        "NotFoundException",
        "Invalid keyId '{KeyId}'",
      ]),
      row("under a symmetric key", (w) => ({ KeyId: w.key, MacAlgorithm: "HMAC_SHA_256", ...rest }), [
        "InvalidKeyUsageException",
        `{KeyId} key usage is ENCRYPT_DECRYPT which is not valid for ${operation}.`,
      ]),
    ];
  }),
];
