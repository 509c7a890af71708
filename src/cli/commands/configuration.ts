import { Option, type Command } from "commander";
import { keyPairSpecs, periodicKeyChanges, type KeyPairSpec, type PeriodicKeyChange } from "../../format/vocabulary.js";
import { TestFailedError, type TestReport } from "../../key-pairs/operations/configuration-test.js";
import type { ConfigurationInput } from "../../key-store/options.js";
import { defined } from "../../util/defined.js";
import { defineCommand } from "../define.js";
import { exitCodeOf } from "../exit-codes.js";
import { withKeyStore } from "../open-key-store.js";
import { factLines, stepLines, tableLines } from "../show.js";

const group = "The organization's keys:";

interface ConfigurationOptions {
  readonly alias: string;
  readonly period?: PeriodicKeyChange;
  readonly spec?: KeyPairSpec;
}

const addConfiguration = (command: Command) =>
  command
    .requiredOption("--alias <arn>", "ARN of the alias of the organization's KMS key")
    .addOption(new Option("--period <period>", "how often the key is changed").choices(periodicKeyChanges))
    .addOption(new Option("--spec <spec>", "kind of the key pairs").choices(keyPairSpecs));

const inputOf = ({ alias, period, spec }: ConfigurationOptions): ConfigurationInput => ({
  kmsKeyAliasArn: alias,
  ...defined({ periodicKeyChange: period, keyPairSpec: spec }),
});

function testLines({ ok, kmsKeyArn, steps, error, diagnosis }: TestReport): string[] {
  const marks = { passed: "ok", failed: "FAILED", unknown: "not told", skipped: "-" } as const;
  return [
    ...tableLines(
      ["step", "", ""],
      steps.map(({ name, status, detail }) => [name, marks[status], detail]),
    ),
    "",
    ok ? `Passed${kmsKeyArn === undefined ? "" : `: ${kmsKeyArn}`}` : `Failed: ${error?.message ?? "see the steps"}`,
    ...(diagnosis ? [diagnosis.summary, ...stepLines(diagnosis.whatToDo)] : []),
  ];
}

export const testCommand = defineCommand<ConfigurationOptions>({
  name: "test",
  summary: "Try a KMS key alias as it would be configured; nothing is saved",
  group,
  add: addConfiguration,
  run: ({ settings, options, io: { signal }, show }) =>
    withKeyStore(settings, { create: true }, async (keyStore) => {
      const report = await keyStore.test(inputOf(options), { signal });
      show(report, testLines(report));
      if (!report.ok) return exitCodeOf(report.error);
    }),
});

export const configureCommand = defineCommand<
  ConfigurationOptions & { readonly onlyIfChanged?: boolean; readonly newHistory?: boolean }
>({
  name: "configure",
  summary: "Test a KMS key alias and, if that passes, encrypt under it from now on",
  group,
  add: (command) =>
    addConfiguration(command)
      .option("--only-if-changed", "make no new key pair where this is configured already")
      .option("--new-history", "leave a head behind that nobody vouches for"),
  run: ({ settings, options, io: { signal }, show }) =>
    withKeyStore(settings, { create: true }, async (keyStore) => {
      const { onlyIfChanged, newHistory } = options;
      try {
        const result = await keyStore.configure(inputOf(options), {
          signal,
          ...defined({ onlyIfChanged, newHistory }),
        });
        const { changed, keyPair } = result;
        show(result, [
          changed ? "Configured; this key pair encrypts from now on:" : "Nothing to change; this key pair encrypts:",
          ...factLines({ ...keyPair }),
        ]);
      } catch (error) {
        if (!(error instanceof TestFailedError)) throw error;
        show(error.report, testLines(error.report));
        return exitCodeOf(error.report.error);
      }
    }),
});

export const rotateCommand = defineCommand<{ readonly ifDue?: boolean }>({
  name: "rotate",
  summary: "Change the key pair now",
  group,
  add: (command) => command.option("--if-due", "only if the schedule says so"),
  run: ({ settings, options, io: { signal }, show }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const result = options.ifDue
        ? await keyStore.rotateIfDue({ signal })
        : { rotated: true, keyPair: await keyStore.rotate({ signal }) };
      const { rotated, keyPair } = result;
      const said = rotated ? "Changed; this key pair encrypts from now on:" : "Not due; this key pair encrypts:";
      show(result, [said, ...factLines({ ...keyPair })]);
    }),
});
