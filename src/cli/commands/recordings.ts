import { Readable } from "node:stream";
import type { Command } from "commander";
import { escapeControls } from "../../errors.js";
import { inspectRecording } from "../../recording/inspect.js";
import type { FileProgress } from "../../recording/files/progress.js";
import { fileSource } from "../../sources/file-source.js";
import { defined } from "../../util/defined.js";
import { daysOption, numberOption } from "../arguments.js";
import { defineCommand, type Call } from "../define.js";
import { exitCodes } from "../exit-codes.js";
import { UsageError, type CommandIo } from "../io.js";
import { withKeyStore } from "../open-key-store.js";
import { factLines, tableLines } from "../show.js";
import { isStandard, readJson } from "../named-files.js";
import { readFrom, sizeOf, writeTo } from "../streams.js";

const group = "Recordings:";

interface Json {
  readonly json?: boolean;
}

interface NameOptions extends Json {
  readonly recordingId?: string;
  readonly asset?: string;
}

interface FileOptions extends NameOptions {
  readonly overwrite?: boolean;
  readonly threads?: number;
}

const addFiles = (command: Command, input: string, output: string) =>
  command
    .argument("<input>", `${input}, or - for standard input`)
    .argument("<output>", `${output}, or - for standard output`)
    .option("--asset <name>", "which part of the recording it is, such as screen or transcript")
    .option("--overwrite", "replace the output if it exists");

const addThreads = (command: Command) =>
  command.addOption(
    numberOption("--threads <number>", "how many cores work on it, from file to file", { from: 0, to: 64 }),
  );

/** Facts go to standard error where the recording goes to standard output. */
function tell({ io, options, show }: Call<Json>, output: string, result: object, lines: readonly string[]): void {
  if (!isStandard(output)) show(result, lines);
  else for (const line of options.json ? [JSON.stringify(result, undefined, 2)] : lines) io.printError(line);
}

/** Colours of what {@link tell} says. */
const paintOf = ({ io, options, paint }: Call<Json>, output: string) =>
  isStandard(output) && !options.json ? io.paintError : paint;

const progressOf = ({ showProgress }: CommandIo) =>
  showProgress && (({ doneBytes, totalBytes }: FileProgress) => showProgress({ done: doneBytes, total: totalBytes }));

export const encryptCommand = defineCommand<
  FileOptions & { readonly metadata?: string; readonly publicMetadata?: string }
>({
  name: "encrypt",
  summary: "Encrypt a recording",
  group,
  add: (command) =>
    addThreads(addFiles(command, "the recording", "the encrypted recording"))
      .requiredOption("--recording-id <id>", "name of the recording, which is needed to open it")
      .option("--metadata <file>", "JSON object that is encrypted with it")
      .option("--public-metadata <file>", "JSON object that everybody can read"),
  run: (call) =>
    withKeyStore(call.settings, {}, async (keyStore) => {
      const { options, args, io } = call;
      const [input = "-", output = "-"] = args;
      const { recordingId = "", asset, overwrite = false, threads } = options;
      const [metadata, publicMetadata] = await Promise.all([
        options.metadata === undefined ? undefined : readJson("--metadata", options.metadata),
        options.publicMetadata === undefined ? undefined : readJson("--public-metadata", options.publicMetadata),
      ]);
      const named = { recordingId, signal: io.signal, ...defined({ asset, metadata, publicMetadata }) };
      if (!isStandard(input) && !isStandard(output)) {
        const onProgress = progressOf(io);
        const result = await keyStore.encryptFile(input, output, {
          ...named,
          overwrite,
          ...defined({ threads, onProgress }),
        });
        return tell(call, output, result, factLines({ ...result }, paintOf(call, output)));
      }
      const total = await sizeOf(input);
      const { body, done, ...facts } = await keyStore.encryptRecording(await readFrom(input, io), named);
      await writeTo(output, body, { overwrite, secret: false, total }, io);
      const result = { ...facts, ...(await done) };
      tell(call, output, result, factLines(result, paintOf(call, output)));
    }),
});

/** The names by which a recording is opened: those given, else those it says it has, which opening it proves. */
async function nameOf({ options, args, io }: Call<NameOptions>): Promise<{ recordingId: string; asset?: string }> {
  const [input = "-"] = args;
  const { recordingId, asset } = options;
  if (recordingId !== undefined) return { recordingId, ...defined({ asset }) };
  if (isStandard(input)) throw new UsageError("--recording-id is needed for a recording from standard input");
  await using source = await fileSource(input);
  const says = await inspectRecording(source);
  if (!options.json)
    io.printError(
      escapeControls(
        `It says that it is ${says.asset} of the recording ${says.recordingId}; give --recording-id to insist on one.`,
      ),
    );
  return { recordingId: says.recordingId, asset: asset ?? says.asset };
}

export const decryptCommand = defineCommand<FileOptions>({
  name: "decrypt",
  summary: "Decrypt a recording",
  group,
  help: `Where the store is lost, recordings and KMS are enough: leave --store out, and give --embedded-keys with the KMS keys that the
organization's recordings were made under. To standard output each segment goes once it has been verified: with another exit
code than 0 what was written is a beginning.`,
  add: (command) =>
    addThreads(addFiles(command, "the encrypted recording", "the recording")).option(
      "--recording-id <id>",
      "name that it must have",
    ),
  run: (call) =>
    withKeyStore(call.settings, { storeOptional: true }, async (keyStore) => {
      const { options, args, io } = call;
      const [input = "-", output = "-"] = args;
      const { overwrite = false, threads } = options;
      const named = { ...(await nameOf(call)), signal: io.signal };
      if (!isStandard(input) && !isStandard(output)) {
        const onProgress = progressOf(io);
        const result = await keyStore.decryptFile(input, output, {
          ...named,
          overwrite,
          ...defined({ threads, onProgress }),
        });
        const { metadata, publicMetadata, ...facts } = result;
        return tell(call, output, result, [
          ...factLines(facts, paintOf(call, output)),
          ...metadataLines({ metadata, publicMetadata }),
        ]);
      }
      const total = await sizeOf(input);
      const { body, done, metadata, publicMetadata, ...facts } = await keyStore.decryptRecording(
        await readFrom(input, io),
        named,
      );
      await writeTo(output, body, { overwrite, secret: true, total }, io);
      const totals = { ...facts, ...(await done) };
      const result = { ...totals, ...defined({ metadata, publicMetadata }) };
      tell(call, output, result, [
        ...factLines(totals, paintOf(call, output)),
        ...metadataLines({ metadata, publicMetadata }),
      ]);
    }),
});

const metadataLines = (metadata: Readonly<Record<string, unknown>>) =>
  factLines(
    Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, value === undefined ? undefined : JSON.stringify(value)]),
    ),
  );

export const salvageCommand = defineCommand<FileOptions>({
  name: "salvage",
  summary: "Decrypt what is left of a damaged recording",
  group,
  help: `Gives the verified beginning. Exit code ${exitCodes.incomplete} where that is not all of it. Without --store as for decrypt.`,
  add: (command) =>
    addFiles(command, "the damaged recording", "what is left of it").option(
      "--recording-id <id>",
      "name that it must have",
    ),
  run: (call) =>
    withKeyStore(call.settings, { storeOptional: true }, async (keyStore) => {
      const { options, args, io } = call;
      const [input = "-", output = "-"] = args;
      const { overwrite = false } = options;
      const named = { ...(await nameOf(call)), signal: io.signal };
      const total = await sizeOf(input);
      const { body, done } = await keyStore.salvageRecording(await readFrom(input, io), named);
      await writeTo(output, body, { overwrite, secret: true, total }, io);
      const { complete, damage, plaintextSize, encryptedSize } = await done;
      const result = { complete, damage, plaintextSize, encryptedSize };
      tell(call, output, result, factLines({ complete, why: damage?.message, plaintextSize, encryptedSize }));
      if (!complete) return exitCodes.incomplete;
    }),
});

export const exportBundleCommand = defineCommand<{ readonly validFor?: number; readonly overwrite?: boolean }>({
  name: "export-bundle",
  summary: "Write what a worker needs that only encrypts, with neither KMS nor store",
  group,
  givesResult: false,
  help: "It holds no secret. Whoever can replace it on its way chooses the key, unless the worker has the fleet's secret.",
  add: (command) =>
    command
      .argument("<output>", "the bundle, or - for standard output")
      .addOption(
        daysOption("--valid-for <days>", "how long it encrypts, up to 366; 1 unless given", { from: 1, to: 366 }),
      )
      .option("--overwrite", "replace the output if it exists"),
  run: ({ settings, options, args: [output = "-"], io }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const { validFor, overwrite = false } = options;
      const bundle = await keyStore.exportPublicBundle({ signal: io.signal, ...defined({ validFor }) });
      await writeTo(output, Readable.from([Buffer.from(bundle)]), { overwrite, secret: false }, io);
    }),
});

export const inspectCommand = defineCommand({
  name: "inspect",
  summary: "Say what a recording's header says to anybody; no key is needed",
  group,
  takesSettings: false,
  help: "Nothing of it is verified: whoever can write to the file can write all of it.",
  add: (command) => command.argument("<file>", "an encrypted recording, or - for standard input"),
  run: async ({ args: [path = "-"], io, show }) => {
    const found = isStandard(path) ? await inspectRecording(io.input) : await inspectPath(path);
    const { wrappedDataKeys, publicMetadata, ...facts } = found;
    show(found, [
      ...factLines(facts),
      ...metadataLines({ publicMetadata }),
      "",
      ...tableLines(
        ["key pair", "number", "spec", "made", "KMS key alias", "carries its key"],
        wrappedDataKeys.map(({ keyPair, embeddedKey }) => [
          keyPair?.keyPairId,
          keyPair?.sequence,
          keyPair?.spec,
          keyPair && new Date(keyPair.createdAt),
          keyPair?.kmsKeyAliasArn,
          embeddedKey !== undefined,
        ]),
      ),
    ]);
  },
});

async function inspectPath(path: string) {
  await using source = await fileSource(path);
  return await inspectRecording(source);
}
