import { Option, type Command } from "commander";
import { escapeControls } from "../../errors.js";
import { keyPairSpecs, periodicKeyChanges, type KeyPairSpec, type PeriodicKeyChange } from "../../format/vocabulary.js";
import {
  TestFailedError,
  testStepNames,
  type TestReport,
  type TestStep,
} from "../../key-pairs/operations/configuration-test.js";
import type { ConfigurationInput } from "../../key-store/options.js";
import { defined } from "../../util/defined.js";
import { defineCommand, type Call } from "../define.js";
import { exitCodeOf } from "../exit-codes.js";
import { withKeyStore } from "../open-key-store.js";
import { factLines, rowLine, stepLines, toned } from "../show.js";
import type { Paint } from "../terminal.js";

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

const marks = {
  passed: toned("ok", "good"),
  failed: toned("FAILED", "bad"),
  unknown: toned("not told", "warning"),
  skipped: toned("-", "faint"),
} as const;
const widths = [Math.max(...testStepNames.map(({ length }) => length)), "not told".length];

/** Prints each step of a test as it ends, and shows on a terminal which one is under way. */
function showSteps({ say, paint, io: { showProgress } }: Pick<Call<object>, "say" | "paint" | "io">) {
  let done = 0;
  const next = () => {
    const name = testStepNames[done];
    if (name !== undefined) showProgress?.({ done, total: testStepNames.length, unit: "steps", note: name });
  };
  next();
  return ({ name, status, detail }: TestStep): void => {
    if (done === 0) say(paint("heading", "step"));
    done += 1;
    say(rowLine([name, marks[status], detail], widths, paint));
    next();
  };
}

/** What a test came to, below its steps. */
function verdictLines({ ok, kmsKeyArn, error, diagnosis }: TestReport, paint: Paint): string[] {
  return [
    "",
    ok
      ? paint("good", `Passed${kmsKeyArn === undefined ? "" : `: ${kmsKeyArn}`}`)
      : paint("bad", `Failed: ${escapeControls(error?.message ?? "see the steps")}`),
    ...(diagnosis ? [escapeControls(diagnosis.summary), ...stepLines(diagnosis.whatToDo)] : []),
  ];
}

export const testCommand = defineCommand<ConfigurationOptions>({
  name: "test",
  summary: "Try a KMS key alias as it would be configured; nothing is saved",
  group,
  add: addConfiguration,
  run: (call) =>
    withKeyStore(call.settings, { create: true }, async (keyStore) => {
      const { options, io, show, paint } = call;
      const report = await keyStore.test(inputOf(options), { signal: io.signal, onStep: showSteps(call) });
      show(report, verdictLines(report, paint));
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
  run: (call) =>
    withKeyStore(call.settings, { create: true }, async (keyStore) => {
      const { options, io, show, paint } = call;
      const { onlyIfChanged, newHistory } = options;
      try {
        const result = await keyStore.configure(inputOf(options), {
          signal: io.signal,
          onStep: showSteps(call),
          ...defined({ onlyIfChanged, newHistory }),
        });
        const { changed, keyPair } = result;
        show(result, [
          ...(changed ? [""] : []),
          changed ? "Configured; this key pair encrypts from now on:" : "Nothing to change; this key pair encrypts:",
          ...factLines({ ...keyPair }),
        ]);
      } catch (error) {
        if (!(error instanceof TestFailedError)) throw error;
        show(error.report, verdictLines(error.report, paint));
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
