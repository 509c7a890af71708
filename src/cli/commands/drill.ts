import { Option } from "commander";
import { keyPairSpecs, periodicKeyChanges, type KeyPairSpec, type PeriodicKeyChange } from "../../format/vocabulary.js";
import { defineCommand } from "../define.js";
import { drill } from "../drill/drill.js";
import { exitCodes } from "../exit-codes.js";
import { required } from "../settings.js";
import { tableLines, toned } from "../show.js";

interface DrillOptions {
  readonly period?: PeriodicKeyChange;
  readonly spec?: KeyPairSpec;
  readonly requireConfirmedKey?: boolean;
}

export const drillCommand = defineCommand<DrillOptions>({
  name: "drill",
  summary: "Rehearse outages on an in-memory copy of the set-up, and say which promises were kept",
  group: "When something is wrong:",
  help: `Takes the organization, its home Region and the name in the encryption context from the settings. KMS, store, host and clock are
copies in memory: neither AWS nor your store is asked or changed. Exit code ${exitCodes.incomplete} where a promise was broken.`,
  add: (command) =>
    command
      .addOption(new Option("--period <period>", "how often the key is changed").choices(periodicKeyChanges))
      .addOption(new Option("--spec <spec>", "kind of the key pairs").choices(keyPairSpecs))
      .option("--require-confirmed-key", "as the service has requireConfirmedKey"),
  run: async ({
    settings,
    options: { period, spec, requireConfirmedKey },
    io: { showProgress, signal },
    show,
    paint,
  }) => {
    const setup = {
      organizationId: required(settings, "organization"),
      homeRegion: required(settings, "homeRegion"),
      contextKeyName: settings.contextKeyName,
      periodicKeyChange: period,
      keyPairSpec: spec,
      requireConfirmedKey,
    };
    const onStep = (done: number, total: number) => showProgress?.({ done, total, unit: "steps" });
    const findings = await drill(setup, { onStep, signal });
    const broken = findings.filter(({ kept }) => !kept).length;
    show({ kept: findings.length - broken, broken, findings }, [
      ...tableLines(
        ["", "promise", "seen"],
        findings.map(({ kept, promise, seen }) => [
          toned(kept ? "kept" : "BROKEN", kept ? "good" : "bad"),
          promise,
          toned(seen, kept ? undefined : "bad"),
        ]),
        paint,
      ),
      "",
      `${findings.length - broken} promises kept, ${broken} broken.`,
    ]);
    if (broken > 0) return exitCodes.incomplete;
  },
});
