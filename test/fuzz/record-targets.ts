import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ErrorCode } from "../../src/errors.js";
import { decodeBirthRecord, encodeBirthRecord } from "../../src/format/birth-record.js";
import { decodeDocument, encodeDocument, type DocumentKind } from "../../src/key-pairs/documents.js";
import { FleetSecret } from "../../src/key-pairs/active/fleet-word.js";
import { claimedKeyPair } from "../../src/key-pairs/key-pair.js";
import {
  isKmsKeyArn,
  kmsAliasArnProblem,
  parseKmsArn,
  regionOf,
  replicaArn,
  sameAccountAndRegion,
} from "../../src/kms/arn.js";
import { encodePublicBundle, readPublicBundle } from "../../src/key-pairs/public-bundle.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { frame, unframe } from "../../src/stores/frame.js";
import { idOf, nameOf } from "../../src/stores/file/names.js";
import { mutateBytes } from "./byte-mutations.js";
import { promise, refusable, type FuzzTarget } from "./fuzzer.js";
import { mutateJson } from "./json-mutations.js";
import type { Random } from "./random.js";
import { birthRecord, mutateBirthRecord } from "./recordings.js";

const formatCodes: readonly ErrorCode[] = ["ERR_FORMAT_INVALID", "ERR_FORMAT_TOO_NEW"];
const storeCodes: readonly ErrorCode[] = ["ERR_STORE_CORRUPT", "ERR_FORMAT_TOO_NEW"];

const aliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";
const kmsCiphertext = { kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/1", ciphertext: Buffer.alloc(150, 6) };
const publicKey = Buffer.from("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", "hex");
const keyPair = encodeDocument("keyPair", {
  birthRecord,
  publicKey,
  attestation: kmsCiphertext,
  wrapping: kmsCiphertext,
});
const digest = createHash("sha256").update(birthRecord).digest();
const fleetSecret = new FleetSecret([Buffer.alloc(32, 9)]);
const status = fleetSecret.sign("org-1", {
  keyPairId: "pair-1",
  sequence: 2,
  attested: digest,
  confirmedAt: 1_769_860_700_000,
  at: 1_769_860_800_000,
  failure: { kind: "key-disabled", operation: "Decrypt", message: "key is disabled" },
});
type StoreDocumentKind = Exclude<DocumentKind, "publicBundle">;
const documents: Readonly<Record<StoreDocumentKind, Buffer>> = {
  keyPair,
  wrapping: encodeDocument("wrapping", { digest, wrapping: kmsCiphertext }),
  fate: encodeDocument("fate", { digest, mark: kmsCiphertext }),
  claim: encodeDocument("claim", { digest, at: 1_769_860_800_000, by: "worker-1", mac: digest }),
  head: encodeDocument("head", { organizationId: "org-1", keyPairId: "pair-1", sequence: 2, digest }),
  lastConfirmed: encodeDocument("lastConfirmed", { organizationId: "org-1", keyPair, confirmedAt: 1_769_860_800_000 }),
  status: encodeDocument("status", status),
};

/** Whether the parser accepts a pair's record. */
async function isUsablePair(input: Buffer): Promise<boolean> {
  const parts = decodeDocument("keyPair", input, "a key pair");
  const codes = [...formatCodes, "ERR_KEY_PAIR_UNTRUSTED"] as const;
  const pair = await refusable(codes, () => claimedKeyPair(parts, { organizationId: "org-1", what: "a key pair" }));
  if (pair) promise(pair.wrappingKey.wrap(Buffer.alloc(32)).length >= 80, "wraps into too little");
  return pair !== undefined;
}

/** Whatever passes the fleet's secret is exactly what the fleet has signed. */
function isSameWord(input: Buffer): boolean {
  const word = fleetSecret.verify("org-1", decodeDocument("status", input, "status"));
  return word === undefined || isDeepStrictEqual(word, status);
}

const bundle = encodePublicBundle(
  claimedKeyPair(decodeDocument("keyPair", keyPair, "it"), { organizationId: "org-1", what: "it" }) as VouchedKeyPair,
  {
    facts: {
      confirmedAt: 1_769_860_700_000,
      exportedAt: 1_769_860_800_000,
      expiresAt: 1_769_947_200_000,
      usedLastKnownKey: false,
      keyAtRisk: true,
    },
    selfContained: true,
    secret: fleetSecret,
  },
);

const document = (kind: StoreDocumentKind): FuzzTarget => ({
  name: `document: ${kind}`,
  input: (random) => {
    if (kind !== "keyPair" || random.chance(0.5)) return mutateJson(documents[kind].toString(), random);
    const changed = random.chance(0.5) ? mutateBirthRecord(birthRecord, random) : birthRecord;
    return encodeDocument("keyPair", {
      birthRecord: changed,
      publicKey: mutateBytes(publicKey, random),
      attestation: kmsCiphertext,
      wrapping: kmsCiphertext,
    });
  },
  async run(input) {
    const content = await refusable(storeCodes, () => decodeDocument(kind, input, kind));
    if (content)
      promise(
        encodeDocument(kind, decodeDocument(kind, encodeDocument(kind, content), kind)).equals(
          encodeDocument(kind, content),
        ),
        "does not come back",
      );
    if (!content) return false;
    if (kind === "keyPair") return isUsablePair(input);
    if (kind === "status") promise(isSameWord(input), "the fleet's word was changed");
    return true;
  },
});

const labels = { kind: "head", organizationId: "org-1", number: 3 };

/** Documents of the file store. Most have a valid checksum, or nothing after its check would be reached. */
function mutateFrame(random: Random): Buffer {
  const whole = frame(labels, documents.head);
  if (random.chance(0.4)) return mutateBytes(whole, random);
  const body = whole.subarray(whole.indexOf("\n") + 1);
  const end = body.indexOf("\n");
  const changed = random.chance(0.5)
    ? Buffer.concat([mutateJson(body.toString("utf8", 0, end), random), body.subarray(end)])
    : mutateBytes(body, random);
  return Buffer.concat([
    Buffer.from(
      `recording-keystore ${random.pick([1, 1, 1, 2, "01", 0, "x"])} ${createHash("sha256").update(changed).digest("hex")}\n`,
    ),
    changed,
  ]);
}

const arns = [
  aliasArn,
  "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "arn:aws-us-gov:kms:us-gov-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
  "arn:aws-cn:kms:cn-north-1:111122223333:alias/a/b_c-d",
] as const;

export const recordTargets: readonly FuzzTarget[] = [
  {
    name: "birth record",
    input: (random) => mutateBirthRecord(birthRecord, random),
    async run(input) {
      const record = await refusable(formatCodes, () => decodeBirthRecord(input));
      if (!record) return false;
      const again = encodeBirthRecord(record);
      promise(
        again.length <= input.length && encodeBirthRecord(decodeBirthRecord(again)).equals(again),
        "encodes to other bytes",
      );
      return true;
    },
  },
  document("keyPair"),
  document("wrapping"),
  document("fate"),
  document("head"),
  document("lastConfirmed"),
  document("status"),
  {
    name: "public bundle",
    input: (random) => (random.chance(0.5) ? mutateJson(bundle, random) : mutateBytes(Buffer.from(bundle), random)),
    async run(input) {
      const codes = [...formatCodes, "ERR_KEY_PAIR_UNTRUSTED"] as const;
      const pinned = await refusable(codes, () =>
        readPublicBundle(input, { organizationId: "org-1", secret: undefined }),
      );
      if (pinned) promise(pinned.pair.wrappingKey.wrap(Buffer.alloc(32)).length >= 80, "wraps into too little");
      const told = await refusable(codes, () =>
        readPublicBundle(input, { organizationId: "org-1", secret: fleetSecret }),
      );
      const contentOf = (bytes: Buffer) => decodeDocument("publicBundle", bytes, "it");
      if (told) promise(isDeepStrictEqual(contentOf(input), contentOf(Buffer.from(bundle))), "the bundle was changed");
      return pinned !== undefined;
    },
  },
  {
    name: "file store frame",
    input: mutateFrame,
    async run(input) {
      const read = await refusable(storeCodes, () => unframe(input, labels, "a file"));
      if (read)
        promise(
          read.checksum ===
            createHash("sha256")
              .update(input.subarray(input.indexOf("\n") + 1))
              .digest("hex"),
          "not under its checksum",
        );
      if (read)
        promise(input.subarray(input.length - read.document.length).equals(read.document), "the document is another");
      return read !== undefined;
    },
  },
  {
    name: "file name",
    input: (random) =>
      mutateBytes(Buffer.from(nameOf(random.pick(["org-1", "Größe", "../..", "con", "a".repeat(300)]))), random),
    run(input) {
      const name = input.toString("latin1");
      const id = idOf(name);
      if (id !== undefined) promise(nameOf(id) === name && !/[/\\]/.test(name), "another id has that name");
      return id !== undefined;
    },
  },
  {
    name: "ARN",
    input: (random) => mutateBytes(Buffer.from(random.pick(arns)), random),
    async run(input) {
      const text = input.toString("latin1");
      const parsed = parseKmsArn(text);
      const isAlias = parsed?.resource.type === "alias" && !parsed.resource.name.startsWith("aws/");
      promise(
        (kmsAliasArnProblem(text) === undefined) === isAlias,
        `an alias ARN: ${isAlias}, but its problem is ${kmsAliasArnProblem(text)}`,
      );
      promise(isKmsKeyArn(text) === (parsed?.resource.type === "key"), "a key ARN and not one");
      promise(regionOf(text) === parsed?.region, "of two Regions");
      promise(!sameAccountAndRegion(text, aliasArn) || parsed?.accountId === "111122223333", "of another account");
      const replica = replicaArn(text, "us-gov-west-1");
      promise(replica === undefined || parseKmsArn(replica)?.region === "us-gov-west-1", "a replica elsewhere");
      const anchor = await refusable(["ERR_INVALID_INPUT"], () => new TrustAnchor([text]));
      promise(
        (anchor !== undefined) === (parsed !== undefined || /^\d{12}$/.test(text)),
        "an anchor of something else",
      );
      promise(anchor?.covers(text) !== false || /^\d{12}$/.test(text), "does not cover itself");
      promise(
        !new TrustAnchor([aliasArn]).covers(text) || parsed?.accountId === "111122223333",
        "covered in another account",
      );
      return parsed !== undefined;
    },
  },
];
