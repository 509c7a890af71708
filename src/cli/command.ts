/** One subcommand of `recording-keystore`; each has a file of its own. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly usage: string;
  /** Throws {@link UsageError} (or what `parseArgs` throws) for arguments that make no sense. */
  run(args: readonly string[], io: CommandIo): Promise<void>;
}

export interface CommandIo {
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
}

/** The user's mistake: shown without a stack, exit code 2. */
export class UsageError extends Error {}
