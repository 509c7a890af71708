import type { Command } from "commander";
import { exitCodes, type ExitCode } from "./exit-codes.js";
import { UsageError, type CommandIo } from "./io.js";
import { addSettings, readSettings, type Settings } from "./settings.js";
import { noPaint, type Paint } from "./terminal.js";

/** One call of a command. */
export interface Call<Options> {
  readonly io: CommandIo;
  /** The command's own options. */
  readonly options: Options;
  /** What stands beside the options; what is left out is undefined. */
  readonly args: readonly (string | undefined)[];
  readonly settings: Settings;
  /** Prints a result: as JSON with `--json`, else as lines for people. */
  readonly show: (result: unknown, lines: readonly string[]) => void;
  /** Prints a line for people ahead of the result; nothing with `--json`. */
  readonly say: (line: string) => void;
  /** Colours of those lines. */
  readonly paint: Paint;
}

export interface CommandDefinition<Options> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly group: string;
  /** What else its help says, such as an example. */
  readonly help?: string;
  /** Whether it takes the options that say whose keys, and where. Default true. */
  readonly takesSettings?: boolean;
  /** Whether it prints a result, for which there is `--json`. Default true. */
  readonly givesResult?: boolean;
  /** Options that may be given several times. Default none. */
  readonly repeatable?: readonly string[];
  /** Adds arguments and options. */
  readonly add?: (command: Command) => unknown;
  /** Resolves with the exit code; with nothing where all is done. */
  readonly run: (call: Call<Options>) => Promise<ExitCode | undefined> | Promise<void>;
}

/** A command as the program takes it. */
export type DefinedCommand = (program: Command, io: CommandIo, ended: (code: ExitCode) => void) => void;

export function defineCommand<Options extends object = object>(definition: CommandDefinition<Options>): DefinedCommand {
  const {
    name,
    summary,
    group,
    help,
    takesSettings = true,
    givesResult = true,
    repeatable = [],
    add,
    run,
  } = definition;
  return (program, io, ended) => {
    const command = program.command(name).summary(summary).description(`${summary}.`).helpGroup(group);
    add?.(command);
    if (givesResult) command.option("--json", "print the result as JSON");
    if (takesSettings) addSettings(command);
    if (help) command.addHelpText("after", `\n${help}`);
    refuseDoubled(command, repeatable);
    command.action(async () => {
      const options = command.opts<Options & { json?: boolean }>();
      const settings = takesSettings ? await readSettings(command) : {};
      const show: Call<Options>["show"] = (result, lines) => {
        const shown = options.json ? [JSON.stringify(result, undefined, 2)] : lines;
        for (const line of shown) io.print(line);
      };
      const say = options.json ? () => undefined : io.print;
      const paint = options.json ? noPaint : io.paint;
      const { showProgress, ...quiet } = io;
      const call = { options, args: command.args, settings, show, say, paint };
      // Whoever reads JSON reads no bars.
      ended((await run({ ...call, io: options.json ? quiet : { ...quiet, showProgress } })) ?? exitCodes.done);
    });
  };
}

/** Of an option that is given twice only one counts, and who knows which one was meant. */
function refuseDoubled(command: Command, repeatable: readonly string[]): void {
  for (const option of command.options) {
    let times = 0;
    const given = () => {
      times += 1;
      if (times > 1) throw new UsageError(`${option.long ?? option.flags} is given more than once`);
    };
    if (!repeatable.includes(option.name())) command.on(`option:${option.name()}`, given);
  }
}
