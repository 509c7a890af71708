/** A subcommand of `recording-keystore`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly usage: string;
  /** @throws UsageError, or what `parseArgs` throws, for arguments that make no sense */
  run(args: readonly string[], io: CommandIo): Promise<void>;
}

export interface CommandIo {
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
}

/** A mistake of the user's. Shown without a stack, with exit code 2. */
export class UsageError extends Error {}
