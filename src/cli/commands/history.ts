import type { KeyPairInfo } from "../../key-pairs/operations/history.js";
import type { KeyStoreStatus } from "../../key-pairs/operations/status.js";
import type { KeyUsageReport } from "../../key-pairs/operations/usage-report.js";
import { defined } from "../../util/defined.js";
import { daysOption, listOption, numberOption } from "../arguments.js";
import { defineCommand } from "../define.js";
import { exitCodes } from "../exit-codes.js";
import { withKeyStore } from "../open-key-store.js";
import { adviceLines, factLines, stepLines, tableLines, toned } from "../show.js";
import type { Paint } from "../terminal.js";

const group = "The organization's keys:";

function statusLines(status: KeyStoreStatus, paint: Paint): string[] {
  const { activeKeyPair, configuration, trouble, lastKmsError, storeError, storeDiagnosis, trust, fleet } = status;
  const { aliasDrift } = status;
  return [
    ...factLines(
      {
        organization: status.organizationId,
        configured: status.configured,
        "KMS key alias": configuration?.kmsKeyAliasArn,
        "KMS key": activeKeyPair?.kmsKeyArn,
        "key pair": activeKeyPair && `${activeKeyPair.keyPairId} (${activeKeyPair.sequence}, ${activeKeyPair.spec})`,
        made: activeKeyPair?.createdAt,
        "periodic key change": configuration?.periodicKeyChange,
        "next change": status.nextKeyChange,
        "vouched for by": status.vouchedBy,
        "last confirmed": status.lastConfirmedAt,
        "claimed by the store":
          status.claimed && `${status.claimed.keyPair.keyPairId} (${status.claimed.keyPair.sequence})`,
        "on the last known key": toned(status.usedLastKnownKey, status.usedLastKnownKey ? "warning" : undefined),
        "key at risk": toned(status.keyAtRisk, status.keyAtRisk ? "bad" : undefined),
        "trusted KMS keys":
          trust.kind === "configured" ? "as set" : `the first alias met: ${trust.kmsKeyAliasArn ?? "none"}`,
        "fleet's last answer": fleet && `${fleet.at.toISOString()} ${fleet.failure?.message ?? "confirmed"}`,
      },
      paint,
    ),
    ...(trouble
      ? ["", `${paint("bad", `Trouble since ${trouble.since.toISOString()}:`)} ${trouble.error.message}`]
      : []),
    ...(lastKmsError
      ? [
          "",
          `${paint("bad", `Last KMS error, ${lastKmsError.at.toISOString()}:`)} ${lastKmsError.error.message}`,
          ...adviceLines(lastKmsError.error),
        ]
      : []),
    ...(aliasDrift
      ? [
          "",
          `${paint("warning", `Since ${aliasDrift.since.toISOString()}:`)} ${aliasDrift.diagnosis.summary}`,
          ...stepLines(aliasDrift.diagnosis.whatToDo),
        ]
      : []),
    ...(storeError
      ? ["", `${paint("bad", "Store:")} ${storeError.message}`, ...(storeDiagnosis ? adviceLines(storeError) : [])]
      : []),
  ];
}

export const statusCommand = defineCommand<{ readonly confirm?: boolean }>({
  name: "status",
  summary: "Say which key encrypts, who vouches for it, and what is wrong",
  group,
  help: `Reads the store and asks nobody else, so a process of its own knows no verdict of KMS; --confirm asks for it. Exit code
${exitCodes.incomplete} where the key is at risk, encryption goes on with the last known one, or the store is at fault.`,
  add: (command) => command.option("--confirm", "have KMS confirm the key first"),
  run: ({ settings, options, io: { signal, showProgress }, show, paint }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      showProgress?.({ note: options.confirm ? "KMS and the store are asked" : "the store is asked" });
      const status = options.confirm ? await keyStore.confirm({ signal }) : await keyStore.status({ signal });
      show(status, statusLines(status, paint));
      if (status.keyAtRisk || status.usedLastKnownKey || status.storeError) return exitCodes.incomplete;
    }),
});

export const historyCommand = defineCommand<{ readonly limit: number; readonly confirm?: boolean }>({
  name: "history",
  summary: "List the key pairs, newest first",
  group,
  add: (command) =>
    command
      .addOption(numberOption("--limit <number>", "how many at most", { from: 1 }).default(50))
      .option("--confirm", "have KMS confirm the key first"),
  run: ({ settings, options: { limit, confirm }, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      if (confirm) await keyStore.confirm({ signal });
      const items: KeyPairInfo[] = [];
      let cursor: string | undefined;
      do {
        const page = await keyStore.keyPairs({
          limit: Math.min(1_000, limit - items.length),
          signal,
          ...defined({ cursor }),
        });
        items.push(...page.items);
        cursor = page.nextCursor;
      } while (cursor !== undefined && items.length < limit);
      const row = ({ sequence, keyPairId, createdAt, reason, spec, kmsKeyArn, active }: KeyPairInfo) => [
        sequence,
        createdAt,
        reason,
        spec,
        keyPairId,
        kmsKeyArn,
        active ? "active" : undefined,
      ];
      const headers = ["number", "made", "why", "spec", "key pair", "KMS key", ""];
      show({ items, more: cursor !== undefined }, tableLines(headers, items.map(row)));
    }),
});

/** Of KMS keys whose material was rotated: each material can be needed still. */
function materialLines(kmsKeys: KeyUsageReport["kmsKeys"]): string[] {
  const rows = kmsKeys.flatMap(({ keyMaterials = [], keyPairsOfUnknownMaterial }) => [
    ...keyMaterials.map(({ keyMaterialId, keyPairs, active, lastActive, retirableFrom }) => [
      keyMaterialId,
      keyPairs,
      active,
      lastActive,
      retirableFrom,
    ]),
    ...(keyPairsOfUnknownMaterial ? [["not known", keyPairsOfUnknownMaterial]] : []),
  ]);
  if (rows.length === 0) return [];
  return ["", ...tableLines(["key material", "key pairs", "active", "last active", "may be retired from"], rows)];
}

function usageLines({ kmsKeys, keyPairs }: KeyUsageReport): string[] {
  return [
    ...tableLines(
      ["KMS key", "key pairs", "only here", "active", "last active", "opens", "may be retired from"],
      kmsKeys.map((key) => [
        key.kmsKeyArn,
        key.keyPairs,
        key.keyPairsOnlyHere,
        key.active,
        key.lastActive,
        key.opens,
        key.retirableFrom,
      ]),
    ),
    ...materialLines(kmsKeys),
    "",
    ...tableLines(
      ["number", "key pair", "state", "from", "until", "KMS keys"],
      keyPairs.map((pair) => [
        pair.sequence,
        pair.keyPairId,
        pair.state,
        pair.activeFrom,
        pair.activeUntil,
        pair.kmsKeyArns.length,
      ]),
    ),
  ];
}

export const usageCommand = defineCommand<{
  readonly probe?: boolean;
  readonly retention?: number;
  readonly compromised?: readonly string[];
}>({
  name: "usage",
  summary: "Say which KMS keys hold which key pairs, and which may be retired",
  group,
  add: (command) =>
    command
      .option("--probe", "have KMS open each key pair under each KMS key")
      .addOption(daysOption("--retention <days>", "how long recordings are kept", { from: 0, to: 36_525 }))
      .addOption(listOption("--compromised <ids>", "key pairs known to be compromised")),
  run: ({ settings, options: { probe, retention, compromised }, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const report = await keyStore.keyUsage({ signal, ...defined({ probe, retention, compromised }) });
      show(report, usageLines(report));
    }),
});
