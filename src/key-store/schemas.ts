import * as z from "zod";
import type { AuditSink } from "../audit/sink.js";
import type { Clock } from "../clock.js";
import { isName, longestName, nameRule } from "../format/names.js";
import { keyPairSpecs, periodicKeyChanges, type KeyStoreConfiguration } from "../format/vocabulary.js";
import { shortestFleetSecret } from "../key-pairs/active/fleet-word.js";
import type { TestStep } from "../key-pairs/operations/configuration-test.js";
import type { RewrapProgress } from "../key-pairs/operations/rewrap.js";
import { longestBundleValidity } from "../key-pairs/public-bundle.js";
import { kmsAliasArnProblem } from "../kms/arn.js";
import { contextKeyNameRule, defaultContextKeyName, organizationIdRule } from "../kms/context-keys.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import type { FileProgress } from "../recording/files/progress.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import type { LastConfirmedStore } from "../stores/last-confirmed-store.js";
import { isBytes } from "../util/bytes.js";
import { checkInput } from "../util/check-input.js";
import { isAbortSignal } from "../util/realms.js";
import { member } from "../util/safe-cause.js";
import { copySecret } from "../util/secrets.js";
import { longestWords } from "./audited-operation.js";
import type { ConfigurationInput, OrganizationResolver } from "./options.js";

const ms = (max: number) => z.number().min(0).max(max);

const anyObject = <T extends object>(methods: readonly (keyof T & string)[]) =>
  z.custom<T>(
    (value) =>
      typeof value === "object" && value !== null && methods.every((name) => typeof member(value, name) === "function"),
    {
      message: `must be an object with ${methods.map((name) => `${name}()`).join(", ")}`,
    },
  );

const name = (maxBytes: number) =>
  z.string().refine((value) => isName(value, maxBytes), { message: nameRule(maxBytes) });
const recordingNames = { recordingId: name(longestName.recordingId), asset: name(longestName.asset).default("main") };

/** @param params - `secret`: not even a wrong value may show in an error */
const jsonObject = (params: { secret?: true }) =>
  z.custom<Readonly<Record<string, unknown>>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    { message: "must be a JSON object", params },
  );

const signal = z.custom<AbortSignal>(isAbortSignal, { message: "must be an AbortSignal" }).optional();

const listener = <T>() =>
  z.custom<(progress: T) => void>((value) => typeof value === "function", { message: "must be a function" }).optional();

const region = z
  .string()
  .regex(/^[a-z]{2,3}(-[a-z]+)+-\d{1,2}$/, { message: "must be an AWS Region, such as eu-west-1" });

const kmsKeys = z.array(z.string()).min(1).max(1_000);

const contextKeyName = z
  .string()
  .regex(contextKeyNameRule.pattern, { message: contextKeyNameRule.message })
  .refine((name) => !contextKeyNameRule.taken.test(name), { message: contextKeyNameRule.takenMessage });

const isSecret = (value: unknown): value is Uint8Array => isBytes(value) && value.length >= shortestFleetSecret;

const fleetSecret = z.custom<Uint8Array | readonly Uint8Array[]>(
  (value) =>
    isSecret(value) || (Array.isArray(value) && value.length > 0 && value.length <= 16 && value.every(isSecret)),
  {
    message: `must be a Uint8Array of at least ${shortestFleetSecret} bytes, or a list of them`,
    params: { secret: true },
  },
);

const threads = z.int().min(0).max(64).default(0);

const audited = { actor: name(longestWords.actor).optional(), reason: name(longestWords.reason).optional() };

const testOptions = { onStep: listener<TestStep>(), ...audited, signal };

const decryptOptions = z.strictObject({ ...recordingNames, askKms: z.boolean().default(false), ...audited, signal });

const organizationId = z.string().regex(organizationIdRule.pattern, { message: organizationIdRule.message });

const ownFleetSecret = fleetSecret.transform((given) => (isBytes(given) ? [given] : given).map(copySecret)).optional();

const clock = anyObject<Clock>(["now", "monotonic"]).optional();

const keyStoreOptions = z.strictObject({
  organizationId,
  homeRegion: region,
  kms: anyObject<KmsProvider>(["describeKey", "encrypt", "decrypt", "generateDataKeyPair"]),
  store: anyObject<KeyPairStore>(["readHead", "swapHead", "createKeyPair", "readKeyPair", "listKeyPairs"]),
  trustedKmsKeys: kmsKeys.optional(),
  embeddedKeys: kmsKeys.optional(),
  decryptRegions: z.array(region).max(32).default([]),
  contextKeyName: z
    .union([contextKeyName, z.array(contextKeyName).min(1).max(16)], {
      error: "must be a name or a list of 1 to 16 names",
    })
    .default(defaultContextKeyName)
    .transform((given) => (typeof given === "string" ? [given] : given) as [string, ...string[]]),
  lastConfirmed: anyObject<LastConfirmedStore>(["load", "save"]).optional(),
  fleetSecret: ownFleetSecret,
  requireConfirmedKey: z.boolean().optional(),
  maxLastConfirmedAge: z.number().positive().optional(),
  privateKeyTtl: ms(300_000).default(60_000),
  confirmEvery: z.number().min(1_000).default(900_000),
  confirmTimeout: ms(60_000).default(500),
  kmsTimeout: z.number().min(10).max(600_000).default(30_000),
  storeTimeout: z.number().min(10).max(600_000).default(5_000),
  headTtl: ms(3_600_000).default(60_000),
  background: z.boolean().default(true),
  selfContained: z.boolean().default(true),
  auditSink: anyObject<AuditSink>(["append"]).optional(),
  auditRequired: z.boolean().default(true),
  auditTimeout: z.number().min(10).max(600_000).default(5_000),
  clock,
});

/** One for each kind of input; exported so that a test can go through every option. */
export const schemas = {
  options: keyStoreOptions,
  registry: keyStoreOptions
    .omit({ organizationId: true })
    .partial({ homeRegion: true })
    .extend({
      resolveOrganization: z
        .custom<OrganizationResolver>((value) => typeof value === "function", {
          message: "must be a function of an organization's id",
        })
        .optional(),
      resolveTimeout: ms(600_000).default(30_000),
      maxIdleKeyStores: z.int().min(1).default(10_000),
      maxPrivateKeys: z.int().min(0).default(1_000),
      kmsCallsPerRegion: z.int().min(2).max(100_000).default(50),
      maintenanceInterval: z.number().min(10).max(60_000).default(1_000),
    }),
  configuration: z.strictObject({
    kmsKeyAliasArn: z.string().superRefine((arn, context) => {
      const problem = kmsAliasArnProblem(arn);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    }),
    periodicKeyChange: z.enum(periodicKeyChanges).default("monthly"),
    keyPairSpec: z.enum(keyPairSpecs).default("X25519"),
  }),
  encrypt: z.strictObject({
    ...recordingNames,
    publicMetadata: jsonObject({}).optional(),
    metadata: jsonObject({ secret: true }).optional(),
    segmentSize: z.int().min(4_096).max(16_777_216).default(65_536),
    threads,
    signal,
  }),
  decrypt: decryptOptions,
  decryptRecording: decryptOptions.extend({ threads }),
  page: z.strictObject({ limit: z.int().min(1).max(1_000).default(50), cursor: z.string().optional(), signal }),
  dryRun: z.strictObject({ dryRun: z.boolean().default(false), ...audited, signal }),
  rewrap: z.strictObject({
    dryRun: z.boolean().default(false),
    concurrency: z.int().min(1).max(64).default(8),
    resume: z
      .object({
        organizationId: z.string(),
        kmsKeyArn: z.string(),
        pairs: z.array(
          z.object({ keyPairId: z.string(), sequence: z.int(), digest: z.string(), wrapping: z.string() }),
        ),
      })
      .optional(),
    onProgress: listener<RewrapProgress>(),
    ...audited,
    signal,
  }),
  usage: z.strictObject({
    probe: z.boolean().default(false),
    retention: ms(3_155_760_000_000).optional(),
    compromised: z.array(z.string()).max(100_000).default([]),
    signal,
  }),
  test: z.strictObject(testOptions),
  configure: z.strictObject({
    onlyIfChanged: z.boolean().default(false),
    newHistory: z.boolean().default(false),
    ...testOptions,
  }),
  audited: z.strictObject({ ...audited, signal }),
  call: z.strictObject({ signal }),
  exportPublicBundle: z.strictObject({
    validFor: z.int().min(60_000).max(longestBundleValidity).default(86_400_000),
    signal,
  }),
  bundleEncryptor: z.strictObject({
    organizationId,
    bundle: z.custom<string | Uint8Array>((value) => typeof value === "string" || isBytes(value), {
      message: "must be what exportPublicBundle() gave, as text or bytes",
    }),
    fleetSecret: ownFleetSecret,
    clock,
  }),
  close: z.strictObject({ timeout: ms(86_400_000).optional(), signal }),
  file: z.strictObject({
    overwrite: z.boolean().default(false),
    threads,
    onProgress: listener<FileProgress>(),
  }),
} as const;

type Schemas = typeof schemas;

type Parsed<K extends keyof Schemas> = z.output<Schemas[K]>;

/**
 * Checks input of the kind named and fills in defaults.
 * @throws InvalidInputError naming the field, the rule and (if short and no secret) what was given
 */
export function check<K extends keyof Schemas>(kind: K, input: unknown): Parsed<K> {
  return checkInput<z.ZodType>(schemas[kind], input) as Parsed<K>;
}

export function checkConfiguration(input: ConfigurationInput): KeyStoreConfiguration {
  return check("configuration", input);
}
