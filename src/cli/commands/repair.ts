import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import type { StoreHeadReport } from "../../key-pairs/operations/store-head.js";
import type { EarlierRewrap, RewrapReport } from "../../key-pairs/operations/rewrap.js";
import { fileSource } from "../../sources/file-source.js";
import { defined } from "../../util/defined.js";
import { numberOption } from "../arguments.js";
import { defineCommand } from "../define.js";
import { exitCodes } from "../exit-codes.js";
import { UsageError } from "../io.js";
import { withKeyStore } from "../open-key-store.js";
import { factLines, tableLines } from "../show.js";
import { readJson } from "../named-files.js";
import { writeTo } from "../streams.js";

const group = "When something is wrong:";

interface DryRun {
  readonly dryRun?: boolean;
}

const dryRunOption = ["--dry-run", "say what would be done, and do nothing"] as const;

function rewrapLines({ complete, done, kmsKeyArn, rewrapped, already, failed }: RewrapReport): string[] {
  return [
    ...factLines({
      "KMS key": kmsKeyArn,
      [done ? "rewrapped" : "would be rewrapped"]: rewrapped,
      "had it already": already,
      failed: failed.length,
    }),
    ...(failed.length > 0
      ? [
          "",
          ...tableLines(
            ["number", "key pair", "why"],
            failed.map(({ sequence, keyPairId, error }) => [sequence, keyPairId, error.message]),
          ),
        ]
      : []),
    "",
    complete ? "Every key pair opens under this KMS key." : "Not every key pair opens under this KMS key yet.",
  ];
}

export const rewrapCommand = defineCommand<
  DryRun & { readonly concurrency?: number; readonly resume?: string; readonly report?: string }
>({
  name: "rewrap",
  summary: "Wrap all earlier key pairs under the active one's KMS key too",
  group,
  help: "Keep the report (--report FILE): it is what proves that an old KMS key is needed no more, and --resume goes on from it.",
  add: (command) =>
    command
      .option(...dryRunOption)
      .addOption(numberOption("--concurrency <number>", "key pairs in work at a time", { from: 1, to: 64 }))
      .option("--resume <file>", "go on from the report of an earlier call")
      .option("--report <file>", "write the report to a new file"),
  run: ({ settings, options, io, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const { signal, showProgress } = io;
      const { dryRun, concurrency, report: target } = options;
      if (target !== undefined && existsSync(target))
        throw new UsageError(`--report ${target}: exists, and a report is not replaced`);
      const resume =
        options.resume === undefined
          ? undefined
          : ((await readJson("--resume", options.resume)) as unknown as EarlierRewrap);
      const report = await keyStore.rewrapKeyPairs({
        signal,
        ...defined({ dryRun, concurrency, resume }),
        onProgress: ({ done, total, failed }) =>
          showProgress?.({ done, total, unit: "key pairs", note: failed > 0 ? `${failed} failed` : undefined }),
      });
      show(report, rewrapLines(report)); // also where it can't be written
      if (target !== undefined) {
        const text = `${JSON.stringify(report, undefined, 2)}\n`;
        await writeTo(target, Readable.from([Buffer.from(text)]), { overwrite: false, secret: false }, io);
      }
      if (!report.complete) return exitCodes.incomplete;
    }),
});

export const forgetOrphansCommand = defineCommand<DryRun>({
  name: "forget-orphans",
  summary: "Remove key pairs that provably never were active",
  group,
  add: (command) => command.option(...dryRunOption),
  run: ({ settings, options: { dryRun }, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const report = await keyStore.removeOrphanedKeyPairs({ signal, ...defined({ dryRun }) });
      const rows = (pairs: typeof report.removed, what: string) =>
        pairs.map(({ sequence, keyPairId }) => [sequence, keyPairId, what]);
      show(
        report,
        tableLines(
          ["number", "key pair", ""],
          [
            ...rows(report.removed, dryRun ? "would be removed" : "removed"),
            ...rows(report.kept, "kept: recordings may need it"),
          ],
        ),
      );
    }),
});

const headLines = ({ storeHead, storeError, before, believed, vouchedBy, done }: StoreHeadReport) => [
  ...factLines({
    "the store's head": storeHead && `${storeHead.keyPairId} (${storeHead.sequence})`,
    "not followed because": storeError?.message,
    "in use until now": before && `${before.keyPairId} (${before.sequence})`,
    [done ? "encrypts from now on" : "would encrypt"]: `${believed.keyPairId} (${believed.sequence})`,
    "vouched for by": vouchedBy,
  }),
];

export const acceptRestoredStoreCommand = defineCommand<DryRun>({
  name: "accept-restored-store",
  summary: "Go on with the key pair that a restored store names",
  group,
  add: (command) => command.option(...dryRunOption),
  run: ({ settings, options: { dryRun }, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const report = await keyStore.acceptRestoredStore({ signal, ...defined({ dryRun }) });
      show(report, headLines(report));
    }),
});

export const replaceUntrustedHeadCommand = defineCommand<DryRun>({
  name: "replace-untrusted-head",
  summary: "Point a head that nobody vouches for at the newest key pair that KMS vouches for",
  group,
  add: (command) => command.option(...dryRunOption),
  run: ({ settings, options: { dryRun }, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const report = await keyStore.replaceUntrustedHead({ signal, ...defined({ dryRun }) });
      show(report, headLines(report));
    }),
});

export const restoreKeyPairsCommand = defineCommand<DryRun>({
  name: "restore-key-pairs",
  summary: "Put key pairs back that the store has lost and recordings carry",
  group,
  add: (command) => command.argument("<recordings...>", "encrypted recordings").option(...dryRunOption),
  run: ({ settings, options: { dryRun }, args, io: { signal }, show }) =>
    withKeyStore(settings, { create: true }, async (keyStore) => {
      const report = await keyStore.restoreKeyPairs(opened(args), { signal, ...defined({ dryRun }) });
      const { restored, already, failed, unusable } = report;
      show(report, [
        ...tableLines(
          ["number", "key pair", ""],
          [
            ...restored.map((pair) => [pair.sequence, pair.keyPairId, dryRun ? "would be put back" : "put back"]),
            ...already.map((pair) => [pair.sequence, pair.keyPairId, "the store has it"]),
            ...failed.map((pair) => [pair.sequence, pair.keyPairId, pair.error.message]),
          ],
        ),
        ...unusable.map(({ index, error }) => `${args[index] ?? index}: ${error.message}`),
      ]);
      if (failed.length + unusable.length > 0) return exitCodes.incomplete;
    }),
});

/** One open at a time, however many there are. */
async function* opened(paths: readonly (string | undefined)[]) {
  for (const path of paths) {
    await using source = await fileSource(path ?? "");
    yield source;
  }
}
